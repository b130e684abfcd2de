"""A training run as a process: its folder, checkpoints, log, forecast and ranks."""
