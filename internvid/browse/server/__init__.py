"""The pages of `internvid browse`: look, search, judge and choose."""
