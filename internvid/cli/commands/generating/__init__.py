"""Commands that make videos."""
