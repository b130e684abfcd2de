"""One exporter a file: each writes a layout that trainers or readers document."""
