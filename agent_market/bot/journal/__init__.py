"""What was done and why: the risk journal, and what of it stands on decisions and trades."""
