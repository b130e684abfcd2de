"""What an export says of its clips: in its manifest (`samples`), or in the names of members."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from internvid.core.errors import DatasetFormatError

SAMPLES, DROPPED_CLIPS, MISSING = "samples", "dropped_clips", "missing"
_OF_CLIP = re.compile(r"(?:.*/)?([0-9a-f]{32})(?:_\w+)?\.[^/]*")


class Sample(NamedTuple):
    """What an export says of a clip.

    Attributes:
        files: that hold it, alone or with others, below the export's folder.
        video_id, source_id, uri: of its source; None where the export does not say.
    """

    files: tuple[str, ...]
    video_id: str | None = None
    source_id: str | None = None
    uri: str | None = None


def sample_of(name: str) -> str:
    """The clip that a member of a shard, or a file, belongs to.

    `<clip_id>.mp4`, `<clip_id>_w00.mp4` (a window of it) and `<clip_id>_w00_k1.jpg` belong to one.
    """
    found = _OF_CLIP.fullmatch(name)
    return found[1] if found else name.partition(".")[0]


def is_of_a_clip(name: str) -> bool:
    """Whether a file is named as those of clips are."""
    return _OF_CLIP.fullmatch(name) is not None


def listed_samples(manifest: Mapping[str, Any]) -> dict[str, Sample]:
    """clip_id -> what `samples` of a manifest says of it, in the order of the export.

    Raises:
        DatasetFormatError: it is damaged, or names a file outside of the export.
    """
    found: dict[str, Sample] = {}
    for row in manifest.get(SAMPLES, ()):
        try:
            clip_id, files = row["clip_id"], tuple(row["files"])
            named = (row.get(name) for name in ("video_id", "source_id", "uri"))
            sample = Sample(files, *named)
        except (TypeError, KeyError, AttributeError) as error:
            raise DatasetFormatError("a manifest's samples are damaged") from error
        for name in files:
            refuse_outside(name)
        found[clip_id] = sample
    return found


def refuse_outside(name: object) -> None:
    """Refuse the name of a file that does not lie below the folder.

    Raises:
        DatasetFormatError: it is no text, absolute, or leads out.
    """
    is_below = isinstance(name, str) and name and "\0" not in name and name[0] != "/"
    if not is_below or ".." in str(name).split("/"):
        raise DatasetFormatError(f"a manifest names {name!r}, which is no file of its export")


def unwritten_clips(manifest: Mapping[str, Any]) -> set[str]:
    """Ids of the clips that a manifest names as missing or dropped."""
    rows = [*manifest.get(MISSING, ()), *manifest.get(DROPPED_CLIPS, ())]
    return {str(row.get("clip_id", "")) for row in rows}
