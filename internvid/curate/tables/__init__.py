"""Tables of clips, our own or published, as one DuckDB relation that is streamed."""
