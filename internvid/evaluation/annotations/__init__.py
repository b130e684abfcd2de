"""The annotation files that benchmarks are usually shared as, read into one of two forms."""
