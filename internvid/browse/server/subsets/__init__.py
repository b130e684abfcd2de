"""Subsets in pages: saved, compared, published."""
