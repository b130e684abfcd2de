"""Files to frames: what a source is, its frames with exact times, and pictures made of them."""
