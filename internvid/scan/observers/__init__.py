"""What is measured on every decoded frame: one observer a file."""
