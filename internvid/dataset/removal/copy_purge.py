"""Takes removed clips out of copies. Killed anywhere, the next call goes on."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from internvid.dataset.layout import Layout, read_json
from internvid.dataset.parts import discard
from internvid.dataset.releases.export_forms import form_of
from internvid.dataset.releases.take_out import take_out
from internvid.dataset.releases.unfinished import purge_unfinished
from internvid.dataset.removal.copies import MANIFEST, PACK, Copy, is_whole
from internvid.dataset.removal.scrubbing import Needles


def purge_copy(layout: Layout, copy: Copy, gone: Collection[str], needles: Needles) -> None:
    """Take clips out of a copy that a plan says is to be purged.

    Args:
        layout: of the dataset.
        copy: as it was noted; it is noted anew where its manifest changes.
        gone: ids of the removed clips.
        needles: all ids that are removed.

    Raises:
        DatasetBusyError: the export is being written.
        StorageError: its folder cannot be written to.
    """
    folder = Path(copy["path"])
    if not folder.is_dir():
        return
    if copy.get("kind") == PACK:
        for path in sorted(folder.glob("picks*")):
            discard(path)
        return
    if not is_whole(folder):
        purge_unfinished(folder, gone)
        return
    form = form_of(folder, read_json(folder / MANIFEST))
    held = {} if form is None else form.samples()
    doomed = {clip_id: each for clip_id, each in held.items() if clip_id in gone}
    take_out(layout, copy, doomed, gone, needles)
