"""Text-to-video models: one contract, an image model made to move, video transformers, a tiny one."""
