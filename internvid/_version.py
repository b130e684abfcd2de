"""The version, stated here and nowhere else: packaging and the citation are held to it."""

__version__ = "0.1.0"
