"""Which subset or which captions train the better model."""
