"""Texts of published clips: how long they are for a model, and what dialogues they become."""
