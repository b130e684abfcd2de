"""Columns of captions, scores and vectors: their files, views, inputs, and how one is dropped."""
