"""How good generated videos are: distances of features, and how well they fit their texts."""
