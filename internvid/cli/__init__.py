"""The command line: what it takes, what it shows, and how it ends."""

import sys

from internvid.core.system.imports import leave_current_folder

INTERRUPTED = 130


def run() -> None:
    """The console script."""
    # Before anything else is imported by that path.
    leave_current_folder()
    try:
        # Loading takes a moment, in which Ctrl-C is to be answered as ever.
        from internvid.cli.app import main
    except KeyboardInterrupt:
        sys.exit(say_interrupted())
    sys.exit(main())


def say_interrupted() -> int:
    """Answer Ctrl-C; the exit code."""
    print("interrupted; run the same command again to go on", file=sys.stderr)
    return INTERRUPTED
