"""Which store a command means, and opening it."""
