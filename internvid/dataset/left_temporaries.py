"""What killed writers left half written in a dataset folder."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from internvid.core.system.temporary import is_left_over, is_temporary
from internvid.dataset.parts import storage_errors
from internvid.dataset.stores.store_path import StorePath


def discard_temporaries(root: Path) -> None:
    """Remove what killed writers left.

    Only under the write lock. Where a network folder has no common locks, a writer on another host
    may be at work all the same: its files stay, until they are a day old.
    """
    if isinstance(root, StorePath):
        return  # objects are whole; what is on its way lies in the cache of each writer
    with storage_errors(root):
        leftovers = [
            Path(folder, name)
            for folder, _, names in os.walk(root)
            for name in filter(is_temporary, names)
        ]
        if not leftovers:
            return
        # The clock of the folder's server need not be ours.
        with tempfile.TemporaryFile(dir=root) as file:
            now = os.fstat(file.fileno()).st_mtime
        for path in leftovers:
            if is_left_over(path, now):
                path.unlink(missing_ok=True)
