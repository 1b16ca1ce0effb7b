"""One module a trouble."""
