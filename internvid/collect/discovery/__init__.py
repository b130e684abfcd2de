"""Candidates: videos that may be fetched, found by searches and in listings."""
