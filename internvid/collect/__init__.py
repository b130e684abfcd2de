"""The front of the system: what to look for, where it is, and how it comes onto this disk."""
