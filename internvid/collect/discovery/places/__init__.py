"""Where candidates are found: one place a file, each turns answers into candidates."""
