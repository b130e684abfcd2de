"""Files of an export that are functions of its manifest and of its indexes alone.

An exporter class may have a static method `describe(manifest, folder)`: it returns name -> bytes of
such files. They are made when an export is finished, and made again by whoever takes clips out of
it, after the indexes and the other files are as they shall be, and before checksums are taken.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from internvid.core.errors import InternvidError
from internvid.dataset.parts import commit_bytes
from internvid.dataset.releases.pages import describer_of


def pages_of(manifest: Mapping[str, Any], folder: Path) -> Mapping[str, bytes]:
    """The pages of an export, as they should be; nothing where its exporter writes none.

    Args:
        manifest: of the export, with `exporter`, `version` and all that the exporter returned;
            checksums are not looked at.
        folder: with its indexes, and with `removed.parquet` where clips were taken out.
    """
    try:
        describe = describer_of(manifest)
    except InternvidError:
        return {}  # it makes none, or is somebody else's, who is not here
    return describe(manifest, folder)


def write_pages(manifest: Mapping[str, Any], folder: Path) -> list[str]:
    """Write the pages of an export; returns their names, in order."""
    pages = pages_of(manifest, folder)
    for name, data in pages.items():
        commit_bytes(folder / name, data)
    return list(pages)
