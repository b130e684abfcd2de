"""What many processes write to one dataset at the same time."""
