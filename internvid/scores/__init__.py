"""Numbers for clips: how well a text fits, how good a picture looks."""
