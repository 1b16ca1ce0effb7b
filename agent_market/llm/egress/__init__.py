"""What may leave the machine: masking, and the audit that refuses a prompt that gives the market away."""
