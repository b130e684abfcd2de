"""Sets whose sentences describe moments: DiDeMo, ActivityNet Captions, Charades-STA, YouCook2."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from internvid.core.types import TimeSpan
from internvid.evaluation.annotations.captioned import choose, read_captioned_json
from internvid.evaluation.annotations.reading import (
    invalid,
    names_its_file,
    read_json,
    read_lines,
    read_list,
    read_objects,
    read_table,
    texts,
    words,
)
from internvid.evaluation.annotations.records import CaptionedClip, CaptionedSet
from internvid.evaluation.annotations.splits import SplitRows

YOUCOOK2_COLUMNS = ("video_id", "start", "end", "text")
"""Columns of MIL-NCE's CSV that are read."""

_STA_LINE = re.compile(r"(\S+) (\S+) (\S+?)##(.*)")

DIDEMO_SECONDS = 30.0
"""DiDeMo was annotated on the first 30 s of each video; what follows is not described."""


@names_its_file
def read_didemo(path: Path, ids: Path | None = None) -> CaptionedSet:
    """DiDeMo: a list of {video, description, times}, several a video, in the file's order.

    Args:
        path: {split}_data.json.
        ids: {split}_list.txt: only those videos, in its order.
    """
    texts_by_span: dict[str, list[str]] = {}
    for place, item in read_list(path):
        if "description" not in item and "caption" in item:
            return _trimmed(read_captioned_json(path))
        description = words(path, place, item, "description")
        # One video occurs with several extensions; without them the published counts come out.
        video = os.path.splitext(words(path, place, item, "video"))[0]
        texts_by_span.setdefault(video, []).append(description)
    span = TimeSpan(0.0, DIDEMO_SECONDS)
    clips = {
        name: CaptionedClip(name, tuple(sentences), (name,), span)
        for name, sentences in texts_by_span.items()
    }
    return CaptionedSet(tuple(clips.values() if ids is None else choose(path, clips, ids)))


def _trimmed(captioned: CaptionedSet) -> CaptionedSet:
    span = TimeSpan(0.0, DIDEMO_SECONDS)
    return CaptionedSet(
        tuple(CaptionedClip(c.clip, c.texts, c.names, span) for c in captioned.clips)
    )


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
    return choose_known(clips, list_ids(ids), ids)


def choose_known(
    clips: Mapping[str, CaptionedClip], listed: Sequence[str], ids: Path
) -> CaptionedSet:
    """The clips that a list of ids names; ids without texts are left out and reported.

    ActivityNet's val_ids.json has nine more ids than val_1.json has captions.

    Raises:
        AnnotationInvalidError: most ids have no texts: it is the list of another file.
    """
    found: dict[str, CaptionedClip] = {}
    unknown = []
    for name in listed:
        stem = os.path.splitext(name)[0]
        clip = next((clips[key] for key in (name, stem, f"v_{stem}") if key in clips), None)
        if clip is None:
            unknown.append(name)
        else:
            found[clip.clip] = clip
    if len(unknown) * 2 > len(listed):
        problem = f"{len(unknown)} of {len(listed)} ids have no texts, such as {unknown[0]!r}"
        raise invalid(ids, "whole", problem, "ids of the file of texts")
    return CaptionedSet(tuple(found.values()), tuple((name, "no_texts") for name in unknown))


def list_ids(path: Path) -> list[str]:
    """Ids of a JSON list, of an object's keys, or of a text file with one a line."""
    if path.suffix.lower() != ".json":
        return [name for _, name in read_lines(path)]
    found = read_json(path)
    if not isinstance(found, list | dict) or not found:
        raise invalid(path, "whole", f"a JSON {type(found).__name__}", "a list of ids")
    return [str(name) for name in found]


def is_charades_sta(line: str) -> bool:
    """Whether a line is one of Charades-STA's: `ID START END##sentence`."""
    return _STA_LINE.fullmatch(line) is not None


@names_its_file
def read_charades_sta(path: Path) -> CaptionedSet:
    """Charades-STA: a line a sentence, `ID START END##sentence`; each moment is a clip.

    Sentences of one moment are texts of one clip. Moments without a length, of which the training
    list has some, are left out and reported.
    """
    moments = Moments()
    for line, text in read_lines(path):
        found = _STA_LINE.fullmatch(text)
        if found is None or not found[4].strip():
            raise invalid(path, line, repr(text), "ID START END##sentence")
        moments.add(path, line, found[1], (found[2], found[3]), found[4].strip())
    return moments.made()


@names_its_file
def read_youcook2(path: Path, *, split: str | None = None) -> CaptionedSet:
    """YouCook2: each step of a recipe is a clip.

    Args:
        path: MIL-NCE's CSV (end,start,task,text,video_id); or the authors' JSON
            (youcookii_annotations_trainval.json).
        split: of the JSON: `training` or `validation`; by default the latter.
    """
    moments = Moments()
    if path.suffix.lower() != ".json":
        for line, row in read_table(path, YOUCOOK2_COLUMNS):
            if not row["video_id"] or not row["text"]:
                raise invalid(path, line, "video_id or text is empty")
            moments.add(path, line, row["video_id"], (row["start"], row["end"]), row["text"])
        return moments.made()
    found = read_json(path)
    videos = found.get("database") if isinstance(found, dict) else None
    if not isinstance(videos, dict) or not all(isinstance(v, dict) for v in videos.values()):
        raise invalid(path, "whole", "there is no object 'database'", "YouCook2's JSON")
    rows = SplitRows(path, split or "validation")
    for video, item in videos.items():
        if not rows.takes(str(item.get("subset", ""))):
            continue
        for at, step in enumerate(item.get("annotations") or []):
            place = f"{video}[{at}]"
            times = step.get("segment") if isinstance(step, dict) else None
            if not isinstance(times, list) or len(times) != 2:
                raise invalid(path, place, "there is no segment", "segment and sentence")
            sentence = words(path, place, step, "sentence")
            moments.add(path, place, video, (str(times[0]), str(times[1])), sentence)
    rows.refuse_none()
    return moments.made()


class Moments:
    """Sentences by video and span, in the order of the file."""

    def __init__(self) -> None:
        self._texts: dict[tuple[str, TimeSpan], list[str]] = {}
        self._left_out: list[tuple[str, str]] = []

    def add(
        self, path: Path, place: int | str, video: str, times: tuple[str, str], text: str
    ) -> None:
        """One sentence; a moment without a length is noted and left out.

        Raises:
            AnnotationInvalidError: times are no numbers, or below zero.
        """
        try:
            start, end = float(times[0]), float(times[1])
        except ValueError:
            raise invalid(path, place, f"{times[0]!r} to {times[1]!r}", "seconds") from None
        if not 0 <= start < float("inf") or not 0 <= end < float("inf"):
            raise invalid(path, place, f"{times[0]} to {times[1]}", "seconds from 0")
        if start >= end:
            self._left_out.append((f"{video}_{start:g}_{end:g}", "empty_span"))
            return
        self._texts.setdefault((video, TimeSpan(start, end)), []).append(text)

    def made(self) -> CaptionedSet:
        """A clip a moment."""
        clips = [
            CaptionedClip(
                f"{video}_{span.start_seconds:g}_{span.end_seconds:g}",
                tuple(sentences),
                (video,),
                span,
            )
            for (video, span), sentences in self._texts.items()
        ]
        return CaptionedSet(tuple(clips), tuple(self._left_out))
