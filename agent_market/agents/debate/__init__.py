"""The full debate, the evidence that code computes for it, and its transcript."""
