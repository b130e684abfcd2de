"""The pages of `internvid browse`: look, search, review and choose."""
