"""The machine below: imports, temporary files, shells, threads."""
