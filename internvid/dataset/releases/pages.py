"""Pages of an export: files that are functions of its manifest and of its indexes alone.

The class of an exporter may have a static method `describe(manifest, folder)`: it returns name ->
bytes of such files (a README, say), and their names stand in the manifest as `pages`. They are made
again when clips are taken out of the export.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from internvid.core import registry
from internvid.core.errors import ComponentUnknownError
from internvid.dataset.releases.clip_samples import refuse_outside

logger = logging.getLogger(__name__)

PAGES = "pages"
Describe = Callable[[Mapping[str, Any], Path], Mapping[str, bytes]]
"""Makes the pages of an export.

It is given the manifest as the exporter returned it, with `exporter`, `version` and so on, but
without pages and checksums, and the folder, with all other files and, once clips were taken out,
`removed.parquet`.
"""
_ID = re.compile(rb"(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])")


def describer_of(manifest: Mapping[str, Any]) -> Describe:
    """What makes the pages of an export.

    Raises:
        ComponentUnknownError: its exporter is not here, or makes none.
    """
    recorded = str((manifest.get("exporter") or {}).get("component", ""))
    describe: Describe | None = getattr(
        registry.find_recorded("exporter", recorded), "describe", None
    )
    if describe is None:
        raise ComponentUnknownError(f"exporter {recorded!r} makes no pages in this version")
    return describe


def pages_again(manifest: Mapping[str, Any], folder: Path) -> dict[str, bytes]:
    """The pages of an export from which clips were taken; none where they cannot be made."""
    try:
        pages = dict(describer_of(manifest)(manifest, folder))
        for name in pages:
            refuse_outside(name)
    except Exception as error:  # noqa: BLE001 - a page that cannot be made must not keep clips
        logger.warning("pages of %s cannot be made again, and are left out: %s", folder, error)
        return {}
    return pages


def trouble_with_others(
    manifest: Mapping[str, Any], folder: Path, others: Iterable[str], gone: Collection[str]
) -> str:
    """Why clips cannot be taken out of the other files of an export; empty where they can.

    Args:
        manifest: as it was published.
        folder: of the export.
        others: files that no form accounts for: pages, and those that name no clip.
        gone: ids of the clips.
    """
    pages = manifest.get(PAGES, [])
    if pages:
        try:
            describer_of(manifest)
        except ComponentUnknownError as error:
            return f"{pages[0]} cannot be made again: {error.message}"
    for name in sorted(set(others) - set(pages)):
        refuse_outside(name)
        if _may_name(folder / name, gone):
            return f"nothing says how to take clips out of {name}"
    return ""


def _may_name(path: Path, gone: Collection[str]) -> bool:
    """Whether a file has the id of such a clip; what is no text may have any."""
    data = path.read_bytes()
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return True
    return not {each.decode() for each in _ID.findall(data)}.isdisjoint(gone)
