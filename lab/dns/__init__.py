"""Names become addresses: DNS messages, what a lab's name server knows, and the server itself (RFC 1035)."""
