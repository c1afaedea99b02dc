"""The embedded runtime: Linux namespaces, kept by one process."""
