"""Commands that put clips in context: interleaved documents and dialogues."""
