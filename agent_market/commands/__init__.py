"""The subcommands of `agent-market`, one file each: the file's name is the command's name.

A file holds one typer-annotated function of its own name, or a group of them (a `typer.Typer` named
`app`), and imports what is heavy inside it, so that `agent-market --help` stays quick.
"""
