"""A client for models behind an OpenAI-compatible chat server."""
