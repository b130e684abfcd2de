"""The duplicates of a dataset as one of its columns: whole or not at all, a version for each rule.

A column's fingerprint covers the rule and the very clips that were compared, because one clip more
can change the group of another. So a column that was made before videos came in is left as it is,
and made again as a new version beside it, which becomes the current one in one step.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import pyarrow as pa

from internvid.core.binding import origin_of, seal_of
from internvid.core.config import fingerprint, identity, plain
from internvid.core.contracts import Annotation
from internvid.core.errors import DatasetFormatError, MisuseError
from internvid.curate.duplicates.duplicates import Duplicates, find_duplicates
from internvid.curate.duplicates.groups import Membership
from internvid.curate.duplicates.vector_pairs import vector_table
from internvid.dataset.current import current_clips, gone_videos
from internvid.dataset.given import refuse_no_text
from internvid.dataset.layout import ColumnEntry, Layout
from internvid.dataset.names import NAME, reserved_name
from internvid.dataset.parts import commit_table, rows_to_table
from internvid.dataset.picks import SCAN_PICKS
from internvid.dataset.store import Dataset
from internvid.dataset.tables import column_schema

EXTRAS: Mapping[str, str] = MappingProxyType({"group": "string", "of": "string", "kind": "string"})


@dataclass(frozen=True)
class DuplicateSummary:
    """What looking for duplicates found.

    Attributes:
        groups: of clips that show the same. clips_in_groups: how many clips these have.
        duplicates: clips that another clip of their group stands for. clips: that were compared.
        kinds: pairs of clips by how they are the same.
        largest_group: clips of the largest.
        video_groups: of videos of which at least half is the same. videos_in_groups: how many.
        refused: pairs of clips that did not hold at the second look.
        crowded_keys: keys under which so many pictures lay that some were not compared.
        pairs_passed_over: pairs of pictures that were not compared for that.
        column: name of the column. key: `name@fingerprint`.
        known: whether the column was there already, made by this rule from these clips.
    """

    groups: int
    clips_in_groups: int
    duplicates: int
    clips: int
    kinds: Mapping[str, int]
    largest_group: int
    video_groups: int
    videos_in_groups: int
    refused: int
    crowded_keys: int
    pairs_passed_over: int
    column: str = ""
    key: str = ""
    known: bool = False


def record_duplicates(
    dataset: Dataset,
    rule: Duplicates,
    name: str,
    progress: Callable[[str, int, int], None] | None = None,
) -> DuplicateSummary:
    """Find the duplicates of a dataset and keep them as its column `name`. Under the write lock.

    The column's value says whether another clip stands for this one; `<name>_group`, `<name>_of`
    and `<name>_kind` stand beside it, null for clips that are alone.

    Args:
        dataset: with a finished build; not refreshed.
        rule: what counts.
        name: of the column.
        progress: called with what is done now, how far it is, and of how much.

    Raises:
        MisuseError: the name is taken, or cannot be one.
        DatasetFormatError: the dataset is not finished, or damaged.
    """
    layout, record = dataset.layout, dataset.record
    if record.scan is None or record.cut is None:
        raise DatasetFormatError(
            f"{layout.root} has no finished build yet",
            hint="run internvid build again to finish it; see internvid status",
        )
    check_name(dataset, name)
    gone = gone_videos(layout, record.scan, [entry["name"] for entry in record.parts])
    clips = {part: _kept(layout, record.cut, part, gone) for part in dataset.parts}
    key = f"{name}@{fingerprint(rule, _inputs(dataset, rule, clips))}"
    known = record.column_recipes.get(key, {}).get("describes")
    if known and all(layout.column(record.cut, key, part).exists() for part in clips):
        summary = DuplicateSummary(**{**known, "column": name, "key": key, "known": True})
    else:
        found = find_duplicates(dataset, rule, progress)
        summary = DuplicateSummary(**found.summary(), column=name, key=key)
        for part, ids in clips.items():
            commit_table(layout.column(record.cut, key, part), _rows(ids, found.members))
        record.column_recipes[key] = _entry(rule, found.summary())
    record.columns.setdefault(record.cut, {})[name] = key
    layout.write_record(record)
    return summary


def check_name(dataset: Dataset, name: str) -> None:
    """Refuse a name that no column can have, or that another one has.

    Raises:
        MisuseError: it is one of these.
    """
    refuse_no_text(name, "name")
    if not NAME.fullmatch(name):
        raise MisuseError(f"{name!r} cannot name a column: use letters, digits, '.', '_' and '-'")
    mine = {name, *(f"{name}_{extra}" for extra in EXTRAS)}
    if reserved := reserved_name(sorted(mine)):
        raise MisuseError(
            f"{reserved!r} is a name that is given to rows in a selection",
            hint="choose another name with --as",
        )
    columns = dataset.record.columns.get(dataset.record.cut or "", {})
    recipe = dataset.record.column_recipes.get(columns.get(name, ""), {})
    # A column of that name may be made again; one of captions or scores is not replaced by us.
    own = mine if recipe.get("extras") == dict(EXTRAS) else set()
    there = {column.lower() for column in dataset.sql("select * from all_clips limit 0").columns}
    there |= {column.lower() for column in columns}
    taken = sorted(each for each in mine - own if each.lower() in there)
    if taken:
        raise MisuseError(
            f"the clips have a column {taken[0]!r} already", hint="choose another name with --as"
        )


def _kept(layout: Layout, cut: str, part: str, gone: frozenset[str]) -> list[str]:
    """The kept clips of a part that count, in its order."""
    clips = current_clips(layout, cut, part, gone, ["clip_id", "kept"])
    if clips is None:
        return []
    ids: list[str] = clips.filter(clips["kept"])["clip_id"].to_pylist()
    return ids


def _inputs(
    dataset: Dataset, rule: Duplicates, clips: Mapping[str, Sequence[str]]
) -> dict[str, str]:
    record = dataset.record
    inputs = {
        "scan": record.scan or "",
        "cut": record.cut or "",
        "clips": _digest(clip_id for ids in clips.values() for clip_id in sorted(ids)),
    }
    if rule.vectors:
        table = vector_table(dataset, rule.vectors)
        inputs["vectors"] = record.columns[record.cut or ""][rule.vectors]
        inputs["vector clips"] = _digest(table["clip_id"].to_pylist())
    return inputs


def _digest(ids: Iterable[str]) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for each in ids:
        digest.update(each.encode("ascii"))
    return digest.hexdigest()


def _rows(ids: Sequence[str], members: Mapping[str, Membership]) -> pa.Table:
    return rows_to_table((_row(clip_id, members.get(clip_id)) for clip_id in ids), _SCHEMA)


def _row(clip_id: str, member: Membership | None) -> dict[str, Any]:
    value = member is not None and member.of is not None
    extras = {name: None if member is None else getattr(member, name) for name in EXTRAS}
    origin = origin_of(clip_id)
    answer = Annotation(clip_id, value, extras=extras, origin=origin)
    return {
        "clip_id": clip_id,
        "value": value,
        "status": "ok",
        "reason": "",
        **extras,
        "frames": [],
        "prompt": "",
        "pick_set": SCAN_PICKS,
        "seal": seal_of(answer),
    }


def _entry(rule: Duplicates, summary: Mapping[str, Any]) -> ColumnEntry:
    made = identity(rule)
    return {
        "component": made["component"],
        "version": made["version"],
        "fields": made["fields"],
        "verb": "score",
        "value_type": "bool",
        "extras": dict(EXTRAS),
        "reads": ["picks"],
        "text": None,
        "weights": {},
        "describes": plain(summary),
    }


_SCHEMA = column_schema("bool", EXTRAS)
