"""Files that give each clip texts: the reference's JSON, a plain CSV, MSR-VTT, LSMDC, VATEX."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from internvid.core.errors import AnnotationInvalidError
from internvid.evaluation.annotations.label_rows import PATH_NAMES
from internvid.evaluation.annotations.reading import (
    invalid,
    names_its_file,
    read_json,
    read_lines,
    read_list,
    read_rows,
    read_table,
    read_text,
    texts,
    words,
)
from internvid.evaluation.annotations.records import CaptionedClip, CaptionedSet
from internvid.evaluation.annotations.splits import SplitRows

SENTENCE_NAMES = ("sentence", "caption", "text", "description")
"""Headers of the column that holds a text, best first."""


@names_its_file
def read_captions(path: Path) -> CaptionedSet:
    """Any set: the reference's JSON list of {video, caption}, or CSV with video_id,sentence."""
    if path.suffix.lower() == ".json":
        return read_captioned_json(path)
    return read_sentence_csv(path)


@names_its_file
def read_captioned_json(path: Path) -> CaptionedSet:
    """The reference's list of {video, caption}; a caption may be a list of texts.

    Entries of one video make one clip: training lists have a line per caption.
    """
    texts_by_clip: dict[str, list[str]] = {}
    for place, item in read_list(path):
        video = words(path, place, item, "video")
        texts_by_clip.setdefault(video, []).extend(texts(path, place, item, "caption"))
    return _made(texts_by_clip)


@names_its_file
def read_sentence_csv(path: Path) -> CaptionedSet:
    """CSV with the columns video_id,sentence; rows of one video make one clip.

    Other usual names of the two are taken where these are missing (`video`, `path`; `caption`).
    """
    texts_by_clip: dict[str, list[str]] = {}
    _, header = next(read_rows(path), (1, []))
    video, sentence = sentence_columns(header)
    for line, row in read_table(path, [video, sentence]):
        if not row[video] or not row[sentence]:
            raise invalid(path, line, f"{video} or {sentence} is empty")
        texts_by_clip.setdefault(row[video], []).append(row[sentence])
    return _made(texts_by_clip)


def sentence_columns(header: Sequence[str]) -> tuple[str, str]:
    """Names of the columns that hold the video and its sentence; the usual ones by default."""
    videos = ("video_id", *PATH_NAMES)
    return (
        next((name for name in videos if name in header), videos[0]),
        next((name for name in SENTENCE_NAMES if name in header), SENTENCE_NAMES[0]),
    )


@names_its_file
def read_msrvtt(path: Path, sentences: Path | None = None, *, split: str = "test") -> CaptionedSet:
    """MSR-VTT.

    Args:
        path: MSRVTT_JSFUSION_test.csv (1kA: key,vid_key,video_id,sentence); a list of ids
            (MSRVTT_train.9k.csv), which needs `sentences`; MSRVTT_data.json; or the reference's
            JSON.
        sentences: MSRVTT_data.json, where `path` lists ids only.
        split: of MSRVTT_data.json alone: `train`, `validate` or `test`.
    """
    if path.suffix.lower() == ".json":
        content = read_json(path)
        if isinstance(content, list):
            return read_captioned_json(path)
        return _made(_msrvtt_sentences(path, _msrvtt_ids(path, content, split)))
    header = read_text(path).partition("\n")[0].strip().split(",")
    if "sentence" in header:
        return read_sentence_csv(path)
    ids = [row["video_id"] for _, row in read_table(path, ["video_id"])]
    if sentences is None:
        raise invalid(path, 1, "a list of videos without sentences", "MSRVTT_data.json as well")
    return _made(_msrvtt_sentences(sentences, ids))


@names_its_file
def read_msrvtt_ids(sentences: Path, ids: Sequence[str]) -> CaptionedSet:
    """The sentences that MSRVTT_data.json has of some ids, whatever their split.

    Raises:
        AnnotationInvalidError: it has none of one of them.
    """
    return _made(_msrvtt_sentences(sentences, list(dict.fromkeys(ids))))


def _msrvtt_ids(path: Path, content: Any, split: str) -> list[str]:
    videos = content.get("videos") if isinstance(content, dict) else None
    if not isinstance(videos, list):
        raise invalid(path, "whole", "there is no list 'videos'", "MSRVTT_data.json")
    ids, rows = [], SplitRows(path, split)
    for at, video in enumerate(videos):
        if not isinstance(video, dict):
            raise invalid(path, f"videos[{at}]", f"a {type(video).__name__}", "an object")
        if rows.takes(str(video.get("split", ""))):
            ids.append(words(path, f"videos[{at}]", video, "video_id"))
    rows.refuse_none()
    return ids


def _msrvtt_sentences(path: Path, ids: list[str]) -> dict[str, list[str]]:
    content = read_json(path)
    rows = content.get("sentences") if isinstance(content, dict) else None
    if not isinstance(rows, list):
        raise invalid(path, "whole", "there is no list 'sentences'", "MSRVTT_data.json")
    captions: dict[str, list[str]] = {name: [] for name in ids}
    for at, row in enumerate(rows):
        if not isinstance(row, dict):
            raise invalid(path, f"sentences[{at}]", f"a {type(row).__name__}", "an object")
        if row.get("video_id") in captions:
            captions[row["video_id"]].append(words(path, f"sentences[{at}]", row, "caption"))
    without = [name for name, texts_of in captions.items() if not texts_of]
    if without:
        raise AnnotationInvalidError(f"{path.name} has no sentence of {without[0]}")
    return captions


@names_its_file
def read_lsmdc(path: Path) -> CaptionedSet:
    """LSMDC: six columns with TABs, no header, the id first and the sentence last.

    Clip ids hold dots (1001_American_Beauty_00.00.51.926-00.00.54.129). The reference's JSON is
    read too.
    """
    if path.suffix.lower() == ".json":
        return read_captioned_json(path)
    texts_by_clip: dict[str, list[str]] = {}
    for line, cells in read_rows(path, "\t"):
        if len(cells) != 6 or not cells[0] or not cells[5]:
            raise invalid(path, line, f"{len(cells)} cells with TABs", "id, 4 times, sentence")
        texts_by_clip.setdefault(cells[0], []).append(cells[5])
    return _made(texts_by_clip)


@names_its_file
def read_vatex(path: Path, ids: Path | None = None) -> CaptionedSet:
    """VATEX: a list of {videoID, enCap}; videoID is ID_START_END.

    Args:
        path: the file.
        ids: a list of videoIDs, one a line: only those, in its order.
    """
    clips = {}
    for place, item in read_list(path):
        if "videoID" not in item and "video" in item:
            return read_captioned_json(path)
        name = words(path, place, item, "videoID")
        clips[name] = CaptionedClip(name, texts(path, place, item, "enCap"), (name, name[:-14]))
    if ids is None:
        return CaptionedSet(tuple(clips.values()))
    return CaptionedSet(tuple(choose(path, clips, ids)))


def choose(path: Path, clips: dict[str, CaptionedClip], ids: Path) -> list[CaptionedClip]:
    """The clips that a file lists, one id a line (with an extension or not), in its order.

    Raises:
        AnnotationInvalidError: an id that the annotations do not know.
    """
    chosen = []
    for line, name in read_lines(ids):
        clip = clips.get(name) or clips.get(os.path.splitext(name)[0])
        if clip is None:
            raise invalid(ids, line, f"{name!r} is not in {path.name}")
        chosen.append(clip)
    return chosen


def _made(texts_by_clip: dict[str, list[str]]) -> CaptionedSet:
    return CaptionedSet(
        tuple(
            CaptionedClip(name, tuple(captions), (name,))
            for name, captions in texts_by_clip.items()
        )
    )
