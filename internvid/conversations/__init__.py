"""Clips in context: documents of clips and texts, and dialogues about videos."""
