"""Benchmarks: one family a file, its metrics beside it."""
