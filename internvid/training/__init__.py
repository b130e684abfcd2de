"""Training: data, loss, loop, recipes."""
