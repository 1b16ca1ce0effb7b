"""What an agent is shown: system messages, the block of numbers, beliefs, feedback."""
