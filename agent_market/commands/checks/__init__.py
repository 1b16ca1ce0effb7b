"""What `agent-market doctor` looks at: one small function a question, each answering with a `Finding`."""
