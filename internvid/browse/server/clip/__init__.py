"""The page of a clip: its texts and scores with what made them, its place in its source."""
