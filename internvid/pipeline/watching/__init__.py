"""What processes that work on a dataset say of themselves, and what that comes to."""
