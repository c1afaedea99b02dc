"""Reports of a run, one file a format; pure."""
