"""What decided a number, what is published, and both on one page."""
