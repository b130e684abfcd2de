"""What a writer leaves that was killed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def leftover(path: Path) -> Path:
    """The temporary file of a process of this machine that ended while it wrote `path`."""
    code = (
        "import sys; from pathlib import Path; "
        "from internvid.core.system.temporary import new_temporary; "
        "print(new_temporary(Path(sys.argv[1])))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, path], capture_output=True, text=True, check=True
    )
    return Path(done.stdout.strip())
