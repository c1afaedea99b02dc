"""What each command does: `lab.cli` parses, these act and print."""
