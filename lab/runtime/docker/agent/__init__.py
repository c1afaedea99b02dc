"""What runs in a lab's helper container: Linux alone, sent there as source, never imported by `lab` itself."""
