"""Reads and writes the weights of a ViCLIP, in every published layout."""
