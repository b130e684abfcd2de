"""The command line: what it takes, what it shows, and how it ends."""

import sys

from internvid.cli.exits import say_interrupted
from internvid.core.system.imports import leave_current_folder


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
