"""The Docker runtime: a container a node, a Docker network a segment, through the Engine's API alone."""
