"""Video chat: ViCLIP's tokens, a connector, a causal language model."""
