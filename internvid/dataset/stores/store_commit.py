"""How files become objects, and folders of objects go."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from internvid.core.errors import StorageError
from internvid.dataset.stores.store_cache import spool_errors
from internvid.dataset.stores.store_path import StorePath


class NameTakenError(StorageError):
    """Others have written what was to be written once: theirs stands."""


@contextmanager
def committed_to_store(path: StorePath, otherwise: Iterable[Path] | None) -> Iterator[Path]:
    """A file on this machine that becomes one whole object; see `parts.committed`."""
    temporary = path.temporary()
    try:
        with spool_errors(temporary.parent):
            yield temporary
        if otherwise is None:
            path.put_file(temporary)
            return
        for name in itertools.chain([path], otherwise):
            if isinstance(name, StorePath) and name.put_file_if_absent(temporary):
                return
        raise NameTakenError(f"{path} and the names beside it are taken")
    finally:
        temporary.unlink(missing_ok=True)


def remove_what_is_there(folder: Path) -> None:
    """Remove a folder, as far as it can be: what others write into it meanwhile may stay."""
    if isinstance(folder, StorePath):
        folder.remove_all()
    else:
        shutil.rmtree(folder, ignore_errors=True)
