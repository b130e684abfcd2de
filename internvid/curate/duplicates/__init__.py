"""Clips and videos that show the same pictures, and what a dataset shares with another one."""
