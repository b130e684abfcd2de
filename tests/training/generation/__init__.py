"""Training of text-to-video models."""
