"""How a command ends other than by finishing."""

import sys

INTERRUPTED = 130
NOT_DONE = 3
"""A share of work ended well, and others have not yet."""


def say_interrupted() -> int:
    """Answer Ctrl-C; the exit code."""
    print("interrupted; run the same command again to go on", file=sys.stderr)
    return INTERRUPTED
