"""Where the best rows of a table end, and which they are."""
