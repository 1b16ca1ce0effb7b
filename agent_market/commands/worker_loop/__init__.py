"""What `worker` is made of."""
