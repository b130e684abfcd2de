"""Pages on which people review many clips in a planned way."""
