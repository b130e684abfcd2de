"""Sets whose sentences each describe a moment: DiDeMo and ActivityNet Captions."""

from __future__ import annotations

import os
from pathlib import Path

from internvid.core.types import TimeSpan
from internvid.evaluate.annotations.captioned import choose, read_captioned_json
from internvid.evaluate.annotations.reading import (
    invalid,
    names_its_file,
    read_json,
    read_list,
    read_objects,
    texts,
    words,
)
from internvid.evaluate.annotations.records import CaptionedClip, CaptionedSet

DIDEMO_SECONDS = 30.0
"""DiDeMo was annotated on the first 30 s of each video; what follows is not described."""


@names_its_file
def read_didemo(path: Path, ids: Path | None = None) -> CaptionedSet:
    """DiDeMo: a list of {video, description, times}, several a video, in the file's order.

    Args:
        path: {split}_data.json.
        ids: {split}_list.txt: only those videos, in its order.
    """
    found: dict[str, list[str]] = {}
    for place, item in read_list(path):
        if "description" not in item and "caption" in item:
            return _trimmed(read_captioned_json(path))
        description = words(path, place, item, "description")
        # One video occurs with several extensions; without them the published counts come out.
        video = os.path.splitext(words(path, place, item, "video"))[0]
        found.setdefault(video, []).append(description)
    span = TimeSpan(0.0, DIDEMO_SECONDS)
    clips = {
        name: CaptionedClip(name, tuple(sentences), (name,), span)
        for name, sentences in found.items()
    }
    return CaptionedSet(tuple(clips.values() if ids is None else choose(path, clips, ids)))


def _trimmed(found: CaptionedSet) -> CaptionedSet:
    span = TimeSpan(0.0, DIDEMO_SECONDS)
    return CaptionedSet(tuple(CaptionedClip(c.clip, c.texts, c.names, span) for c in found.clips))


@names_its_file
def read_activitynet(path: Path, ids: Path | None = None) -> CaptionedSet:
    """ActivityNet Captions: {v_ID: {duration, timestamps, sentences}} (val_1.json).

    Args:
        path: the file, or the reference's JSON list.
        ids: a JSON list of ids, or a text file with one a line: only those, in its order.
    """
    if isinstance(read_json(path), list):
        return read_captioned_json(path)
    clips = {}
    for name, item in read_objects(path):
        sentences = texts(path, name, item, "sentences")
        times = item.get("timestamps")
        if not isinstance(times, list) or len(times) != len(sentences):
            raise invalid(path, name, "timestamps do not fit the sentences", "one pair each")
        clips[name] = CaptionedClip(name, sentences, (name, name.removeprefix("v_")))
    if ids is None:
        return CaptionedSet(tuple(clips.values()))
    if ids.suffix.lower() != ".json":
        return CaptionedSet(tuple(choose(path, clips, ids)))
    listed = read_json(ids)
    if not isinstance(listed, list) or not set(map(str, listed)) <= set(clips):
        raise invalid(ids, "whole", f"not a list of ids of {path.name}")
    return CaptionedSet(tuple(clips[str(name)] for name in listed))
