"""What a training run will cost, and how much a device takes at once."""
