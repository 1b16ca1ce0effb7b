"""Joining the running bot: the gate that every order passes, kill switch, alerts, and what steers them."""
