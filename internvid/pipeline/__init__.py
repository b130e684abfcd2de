"""The whole story: sources in, scanned, cut, described."""
