"""Endpoints that answer prompts: routes, retries, breakers, and what each dialect takes."""
