"""From the bytes of a capture to packets, conversations and paths; pure."""
