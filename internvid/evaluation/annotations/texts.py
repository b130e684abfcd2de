"""Texts of clips in any form that this package knows, recognised by the content of the files."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from internvid.core.errors import AnnotationInvalidError, ConfigInvalidError
from internvid.evaluation.annotations.captioned import (
    SENTENCE_NAMES,
    choose,
    read_captions,
    read_lsmdc,
    read_msrvtt,
    read_msrvtt_ids,
    read_vatex,
    sentence_columns,
)
from internvid.evaluation.annotations.charades import is_charades
from internvid.evaluation.annotations.choices import is_choice, read_choices
from internvid.evaluation.annotations.label_rows import LABEL_NAMES
from internvid.evaluation.annotations.moments import (
    YOUCOOK2_COLUMNS,
    choose_known,
    is_charades_sta,
    list_ids,
    read_activitynet,
    read_charades_sta,
    read_didemo,
    read_youcook2,
)
from internvid.evaluation.annotations.msvd import read_caption_object, read_msvd
from internvid.evaluation.annotations.reading import (
    invalid,
    names_its_file,
    read_json,
    read_list,
    read_rows,
    read_table,
    read_text,
)
from internvid.evaluation.annotations.records import CaptionedClip, CaptionedSet

_FORMS = (
    "MSR-VTT, MSVD, LSMDC, DiDeMo, ActivityNet, VATEX, YouCook2, Charades, Charades-STA, "
    "a JSON list of video and caption, or CSV video_id,sentence"
)
_LSMDC_CELLS = 6


def read_texts(paths: Sequence[Path], *, split: str | None = None) -> CaptionedSet:
    """The clips and texts of one file, or of a list of ids and a file of texts in any order.

    Every form of a named set is read by its own reader, for evaluation and for training.

    Args:
        paths: one file, or two.
        split: of files that hold several; by default the one that the set is measured on.

    Raises:
        ConfigInvalidError: no file, or more than two.
        AnnotationInvalidError: a form that is not known, or a damaged file.
    """
    if not 1 <= len(paths) <= 2:
        raise ConfigInvalidError(
            f"a set of texts is one file, or a list of ids and a file of texts, not {len(paths)}"
        )
    if len(paths) == 1:
        return _read_one(paths[0], split)
    first, second = paths
    ids, texts = (first, second) if lists_ids(first) else (second, first)
    if not lists_ids(ids):
        raise AnnotationInvalidError(
            f"neither {first.name} nor {second.name} is a list of ids",
            hint="name one file of texts, or a list of ids beside it",
        )
    return _chosen(ids, texts, split)


def lists_ids(path: Path) -> bool:
    """Whether a file names clips and nothing of them: one a line, a JSON list, a column alone."""
    if path.suffix.lower() in (".pkl", ".jsonl"):
        return False
    if path.suffix.lower() == ".json":
        found = read_json(path)
        return isinstance(found, list) and all(isinstance(name, str) for name in found)
    lines = [line for line in read_text(path).splitlines() if line.strip()]
    if _id_column(path) is not None:
        return True
    return bool(lines) and all(len(line.split()) == 1 and "," not in line for line in lines)


def is_texts(path: Path) -> bool:
    """Whether a file is of one of the forms that `read_texts` reads, by its first lines."""
    if path.is_dir():
        return False
    if path.suffix.lower() in (".json", ".jsonl"):
        return _json_form(path) is not None
    if path.suffix.lower() == ".pkl":
        return True
    return _text_form(path) is not None or lists_ids(path)


def _chosen(ids: Path, texts: Path, split: str | None) -> CaptionedSet:
    if texts.suffix.lower() in (".pkl", ".txt"):
        return read_msvd(ids, texts)
    form = _json_form(texts) if texts.suffix.lower() == ".json" else None
    if form == "activitynet":
        return read_activitynet(texts, ids)
    names = _id_column(ids) or list_ids(ids)
    if form == "msrvtt":
        return read_msrvtt_ids(texts, names)
    found = {clip.clip: clip for clip in _read_one(texts, split).clips}
    if ids.suffix.lower() == ".json" or _id_column(ids) is not None:
        return choose_known(found, names, ids)
    return CaptionedSet(tuple(choose(texts, found, ids)))


def _read_one(path: Path, split: str | None) -> CaptionedSet:
    if path.suffix.lower() in (".json", ".jsonl"):
        return _read_json_form(path, split)
    form = _text_form(path)
    if form == "lsmdc":
        return read_lsmdc(path)
    if form == "charades_sta":
        return read_charades_sta(path)
    if form == "youcook2":
        return read_youcook2(path)
    if form == "charades":
        return read_charades_texts(path)
    if form == "sentences":
        return read_captions(path)
    if lists_ids(path):
        raise invalid(path, 1, "a list of videos without texts", "the file of their texts as well")
    raise invalid(path, 1, "a form of texts that is not known", _FORMS)


def _read_json_form(path: Path, split: str | None) -> CaptionedSet:
    form = _json_form(path)
    if form == "choices":
        return _right_options(path)
    if form == "didemo":
        return read_didemo(path)
    if form == "vatex":
        return read_vatex(path)
    if form == "captions":
        return read_captions(path)
    if form == "msrvtt":
        return read_msrvtt(path, split=split or "test")
    if form == "youcook2":
        return read_youcook2(path, split=split)
    if form == "msvd":
        return read_msvd(path, split=split)
    if form == "activitynet":
        return read_activitynet(path)
    if form == "object":
        return read_caption_object(path)
    raise invalid(path, "whole", "a form of texts that is not known", _FORMS)


def _json_form(path: Path) -> str | None:
    """Which JSON it is; None where nobody knows."""
    if path.suffix.lower() == ".jsonl":
        rows = read_list(path)
        return _list_form(rows[0][1]) if rows else None
    found = read_json(path)
    if isinstance(found, list):
        return _list_form(found[0]) if found and isinstance(found[0], dict) else None
    if not isinstance(found, dict) or not found:
        return None
    for key, form in (("sentences", "msrvtt"), ("database", "youcook2"), ("metadata", "msvd")):
        if key in found:
            return form
    values = list(found.values())
    if all(isinstance(value, dict) and "sentences" in value for value in values):
        return "activitynet"
    plain = all(isinstance(value, list | str) for value in values)
    return "object" if plain and not _is_class_list(values) else None


def _is_class_list(values: Sequence[Any]) -> bool:
    return all(isinstance(value, str) and value.isdecimal() for value in values)


def _list_form(first: dict[str, Any]) -> str | None:
    if is_choice(first):
        return "choices"
    if "description" in first and "video" in first:
        return "didemo"
    if "videoID" in first and "enCap" in first:
        return "vatex"
    return "captions" if "video" in first and "caption" in first else None


def _text_form(path: Path) -> str | None:
    first = next((line.strip() for line in read_text(path).splitlines() if line.strip()), "")
    if len(first.split("\t")) == _LSMDC_CELLS:
        return "lsmdc"
    if is_charades_sta(first):
        return "charades_sta"
    if is_charades(first):
        return "charades"
    try:
        header = {cell.strip() for cell in next(csv.reader([first]), [])}
    except csv.Error:
        return None
    if set(YOUCOOK2_COLUMNS) <= header:
        return "youcook2"
    return "sentences" if set(sentence_columns(sorted(header))) <= header else None


def _id_column(path: Path) -> list[str] | None:
    """Ids of a CSV whose header is `video_id`, without texts (MSRVTT_train.9k.csv)."""
    if path.suffix.lower() != ".csv":
        return None
    _, header = next(read_rows(path), (0, []))
    if "video_id" not in header or {*SENTENCE_NAMES, *LABEL_NAMES} & set(header):
        return None
    return [row["video_id"] for _, row in read_table(path, ["video_id"])]


@names_its_file
def read_charades_texts(path: Path) -> CaptionedSet:
    """Charades' descriptions of whole videos; of a video without one, its script."""
    clips, left_out = [], []
    for _, row in read_table(path, ["id", "script", "descriptions"]):
        described = [text.strip() for text in row["descriptions"].split(";") if text.strip()]
        texts = tuple(described) or ((row["script"],) if row["script"] else ())
        if texts:
            clips.append(CaptionedClip(row["id"], texts, (row["id"],)))
        else:
            left_out.append((row["id"], "no_texts"))
    return CaptionedSet(tuple(clips), tuple(left_out))


def _right_options(path: Path) -> CaptionedSet:
    """Questions of multiple choice as texts: the right option of each."""
    found: dict[str, CaptionedClip] = {}
    for question in read_choices(path).clips:
        name, right = question.names[0], question.options[question.answer]
        before = found[name].texts if name in found else ()
        found[name] = CaptionedClip(name, (*before, right), question.names)
    return CaptionedSet(tuple(found.values()))
