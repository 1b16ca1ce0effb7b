"""Helpers of the tests: worlds, stand-ins and processes that several test files share."""
