"""The removal of videos: which ids are meant, the pass, and what later builds pass over."""
