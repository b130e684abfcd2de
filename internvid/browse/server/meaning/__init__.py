"""What pages show by vectors: clips that mean or look the same, and the map of all."""
