"""Writes captions, scores and vectors as columns of a dataset, and audits them."""
