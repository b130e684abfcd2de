"""Text-to-video models: an image model made to move, video transformers, a tiny one."""
