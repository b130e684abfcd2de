"""The commands by which many machines work on one dataset."""
