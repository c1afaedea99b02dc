"""Small networks on one machine, and proof from the packets of what happened in them."""

__version__ = "0.1.0"
