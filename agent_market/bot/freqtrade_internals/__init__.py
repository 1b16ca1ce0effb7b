"""Every private part of freqtrade that the running bot leans on: an upgrade that breaks us breaks here."""
