"""How commands read their arguments."""
