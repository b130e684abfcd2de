"""Commands of the front of the system: what to look for, where, and fetching it."""
