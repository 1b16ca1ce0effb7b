"""The stress suite: real dry-run bots on the sandbox, what must hold in each trouble, what was measured."""
