"""Named training runs, and the settings that they consist of."""
