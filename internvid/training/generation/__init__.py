"""Training of text-to-video models on the shared loop."""
