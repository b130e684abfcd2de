"""Looking at a dataset: one self-contained HTML page."""
