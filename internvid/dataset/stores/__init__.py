"""Datasets in object stores: paths that are addresses, what is kept of them here, locks."""
