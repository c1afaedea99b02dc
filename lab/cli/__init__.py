"""The command line as Typer takes it: each command parses and calls one function of `lab.commands`."""
