"""Prompts that learn: their versions, what they are tried on, and the campaign that may replace one."""
