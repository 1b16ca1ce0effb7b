"""The subcommands of `agent-market`, one file each: the file's name is the command's name.

A file holds one typer-annotated function of its own name, and imports what is heavy inside it, so
that `agent-market --help` stays quick.
"""
