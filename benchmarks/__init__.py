"""Speed and quality, measured: each module is a command, `python -m benchmarks.<name>`."""
