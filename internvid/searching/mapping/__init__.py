"""A map of a dataset: the vectors of its clips in two dimensions."""
