"""How sources are named and described, and where they have moved to."""
