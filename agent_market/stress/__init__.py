"""The stress suite: real dry-run bots on the sandbox, what must hold under each trouble, and what was measured."""
