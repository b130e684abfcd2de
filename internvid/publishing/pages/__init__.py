"""Pages about an export: the card that people read, and the description that programs read."""
