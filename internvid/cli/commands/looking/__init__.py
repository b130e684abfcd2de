"""Commands that show what a dataset holds."""
