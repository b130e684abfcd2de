"""Which files hold something of removed videos, and what is done with each.

A plan is written down before the first file is changed, so that a purge which was killed goes on
with the same plan, and its receipt says what an undisturbed one would say.
"""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypedDict

import pyarrow.parquet as pq

from internvid.dataset.answers.review_log import names_clips, review_log_path
from internvid.dataset.answers.verdict_log import log_path, read_entries
from internvid.dataset.layout import Layout, Record, read_json
from internvid.dataset.parts import read_part, reading_part, row_group_owners
from internvid.dataset.removal.copies import recorded_copies
from internvid.dataset.removal.copy_outcomes import CopyOutcome, outcome_of
from internvid.dataset.removal.pending import NAMING, PART, IdRow, Removed, removed_of
from internvid.dataset.removal.resolving import clips_of
from internvid.dataset.removal.scrubbing import Needles, holds_texts
from internvid.dataset.subset_files import SubsetFacts, subset_facts, subset_names
from internvid.dataset.tables import VideoRow

REPORT_MARK = b'<meta name="generator" content="internvid report">'
"""Tells a report of ours, which shows pictures and ids (see `internvid.browse.report`)."""
_HEAD_BYTES = 2048


class Heir(TypedDict):
    """A video whose own source is removed, and the other source that stands for it from now on.

    Attributes:
        scan, part: where the row of the removed source lies. video_id: of the video.
        heir_part: where the row of the other source lies.
        row: that row as it is from now on.
    """

    scan: str
    part: str
    video_id: str
    heir_part: str
    row: VideoRow


class FileStep(TypedDict):
    """One file or folder that is changed.

    Attributes:
        path: below the dataset. action: see `internvid.dataset.removal.purging`.
        table: what it is a file of, for people. bytes: before the purge.
    """

    path: str
    action: str
    table: str
    bytes: int


@dataclass
class Plan:
    """What a purge does.

    Attributes:
        receipt: number of the receipt.
        videos, sources, clips, rejected: what is removed: videos, rows of sources, kept and
            rejected clips of the current cut. clip_ids: clips over all cuts.
        files: steps, in order.
        heirs: videos that other sources have.
        handed_clips: clips of these, which copies name with the removed source.
        stages: folder of stages -> number that each source which stays has there; -1 for none.
        subsets: facts of each subset that loses clips, or was chosen among some that are removed,
            as they will be.
        copies: exports and packs, and what becomes of each.
    """

    receipt: int
    videos: int = 0
    sources: int = 0
    clips: int = 0
    rejected: int = 0
    clip_ids: int = 0
    files: list[FileStep] = field(default_factory=list)
    heirs: list[Heir] = field(default_factory=list)
    handed_clips: list[str] = field(default_factory=list)
    stages: dict[str, list[int]] = field(default_factory=dict)
    subsets: dict[str, SubsetFacts] = field(default_factory=dict)
    copies: list[CopyOutcome] = field(default_factory=list)

    @classmethod
    def read(cls, path: Path) -> Plan | None:
        """The plan in a file; None where there is none, or none that can be read."""
        try:
            return cls(**json.loads(path.read_text("utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def plain(self) -> dict[str, Any]:
        """The plan as JSON."""
        return dataclasses.asdict(self)

    @property
    def tables(self) -> list[str]:
        """What is purged: names of tables and files."""
        names = [step["table"] for step in self.files]
        names += [str(copy["path"]) for copy in self.copies if copy["action"] == "purged"]
        return list(dict.fromkeys(names))


def make_plan(layout: Layout, record: Record, rows: Iterable[IdRow], receipt: int) -> Plan:
    """Find every file that holds something of the removed ids; nothing is changed.

    Reads the id columns of the parts concerned, of all subsets and of the search index.

    Raises:
        DatasetFormatError: a part is damaged.
    """
    rows = list(rows)
    removed = removed_of(rows)
    parts = sorted({row.id for row in rows if row.kind == PART})
    plan = Plan(receipt)
    plan.heirs = list(_heirs(layout, removed, parts))
    handed = {heir["video_id"] for heir in plan.heirs}
    for part in parts:
        plan.handed_clips += sorted(clips_of(layout, part, handed))
    _count(layout, record, removed, parts, plan)
    steps = _Steps(layout, removed, plan)
    for part in parts:
        steps.of_part(part)
        steps.of_cuts(part)
    steps.of_dataset()
    plan.files = steps.steps
    gone = removed.clips.union(plan.handed_clips)
    needles = Needles.of(removed)
    plan.copies = [outcome_of(layout, each, gone, needles) for each in recorded_copies(layout)]
    return plan


def _heirs(layout: Layout, removed: Removed, parts: list[str]) -> Iterator[Heir]:
    """Where another source takes the place of a removed one."""
    for scan in sorted((layout.root / "scans").glob("*")):
        found: list[tuple[str, VideoRow]] = []
        for part in parts:
            path = layout.scanned(scan.name, "videos", part)
            if path.exists():
                found += [(part, row) for row in read_part(path).to_pylist()]
        latest = {row["uri"]: (part, row) for part, row in found}
        seen: set[str] = set()
        for part, row in found:
            video = row["video_id"]
            if row["status"] != "ok" or video is None or video in removed.videos or video in seen:
                continue
            seen.add(video)
            if not removed.hides(row["uri"], video, row["source_id"]):
                continue
            for heir_part, other in latest.values():
                is_there = other["status"] in ("ok", "duplicate") and other["video_id"] == video
                if is_there and not removed.hides(other["uri"], None, other["source_id"]):
                    heir: VideoRow = {
                        **row,
                        "uri": other["uri"],
                        "source_id": other["source_id"],
                        "metadata": other["metadata"],
                    }
                    yield Heir(
                        scan=scan.name, part=part, video_id=video, heir_part=heir_part, row=heir
                    )
                    break


def _count(layout: Layout, record: Record, removed: Removed, parts: list[str], plan: Plan) -> None:
    uris: set[str] = set()
    scans = [path.name for path in sorted((layout.root / "scans").glob("*"))]
    for part in parts:
        paths = [layout.sources(part), *(layout.scanned(scan, "videos", part) for scan in scans)]
        for path in paths:
            if path.exists():
                columns = ["uri", "source_id"] + (["video_id"] if path != paths[0] else [])
                for row in read_part(path, columns).to_pylist():
                    if removed.hides(row["uri"], row.get("video_id"), row["source_id"]):
                        uris.add(row["uri"])
        cut = layout.clips(record.cut, part) if record.cut else None
        if cut is not None and cut.exists():
            table = read_part(cut, ["clip_id", "kept"])
            both = zip(table["clip_id"].to_pylist(), table["kept"].to_pylist(), strict=True)
            here = [is_kept for clip_id, is_kept in both if clip_id in removed.clips]
            plan.clips += sum(here)
            plan.rejected += len(here) - sum(here)
    plan.videos, plan.sources = len(removed.videos & _scanned(layout, parts)), len(uris)
    plan.clip_ids = len(removed.clips)


def _scanned(layout: Layout, parts: list[str]) -> set[str]:
    """Videos that the dataset has in these parts, or in their stages."""
    found: set[str] = set()
    for part in parts:
        for path in layout.root.glob(f"scans/*/videos/{part}.parquet"):
            found.update(read_part(path, ["video_id"])["video_id"].to_pylist())
        for path in layout.root.glob(f"staged/*/{part}/*.json"):
            found.add(json.loads(path.read_text("utf-8")).get("video_id"))
    return found


class _Steps:
    """The files that are changed, each once."""

    def __init__(self, layout: Layout, removed: Removed, plan: Plan) -> None:
        self.layout, self.removed, self.plan = layout, removed, plan
        self.steps: list[FileStep] = []
        self.handed = {heir["video_id"] for heir in plan.heirs}

    def _add(self, path: Path, action: str, table: str) -> None:
        name = path.relative_to(self.layout.root).as_posix()
        step = FileStep(path=name, action=action, table=table, bytes=size_of_path(path))
        self.steps.append(step)

    def of_part(self, part: str) -> None:
        """What scans keep under the name of a part, and the list of its sources."""
        root, removed = self.layout.root, self.removed
        # Before the list of sources, whose places the stages are numbered by.
        for scan in sorted(self.layout.staged_scans()):
            if (scan / part).is_dir():
                self._stage(scan / part, self.layout.sources(part))
        self._if(root.glob(f"sources/{part}.parquet"), "sources", "sources", self._has_source)
        self._if(root.glob(f"scans/*/videos/{part}.parquet"), "videos", "videos", self._has_source)
        for table in ("timelines", "picks"):
            paths = root.glob(f"scans/*/{table}/{part}.parquet")
            self._if(paths, "frames", table, lambda path: bool(owners_of(path) & removed.videos))
        for path in sorted(root.glob(f"scans/*/pick_sets/*/{part}.*parquet")):
            if self._has(path, "video_id", removed.videos):
                self._add(path, "frames", f"pick_sets/{path.parent.name}")
        self._if(root.glob(f"runs/seen-{part}.parquet"), "seen", "runs", self._has_seen)
        for folder in sorted(root.glob(f"staged/pick_sets/*/*/{part}")):
            for path in sorted(folder.glob("*.parquet")):
                if path.stem in removed.videos:
                    self._add(path, "delete", f"staged/pick_sets/{folder.parent.name}")

    def of_cuts(self, part: str) -> None:
        """What cuts and their columns keep under the name of a part."""
        root, removed = self.layout.root, self.removed
        changed = removed.videos | self.handed
        for path in sorted(root.glob(f"cuts/*/clips/{part}.parquet")):
            if self._has(path, "video_id", changed):
                self._add(path, "clips", f"clips of {path.parent.parent.name}")
        answers = [*root.glob(f"cuts/*/columns/*/{part}.*parquet")]
        answers += root.glob(f"staged/columns/*/*/{part}/*.parquet")
        for path in sorted(answers):
            if self._has(path, "clip_id", removed.clips):
                key = path.parent.name if path.parent.name != part else path.parent.parent.name
                self._add(path, "answers", f"columns/{key}")

    def _stage(self, folder: Path, sources: Path) -> None:
        """The stages of a part that is not whole: those of removed bytes, and their numbers."""
        kept, is_changed = [], False
        for at, row in enumerate(read_part(sources, ["uri", "source_id"]).to_pylist()):
            if self.removed.hides(row["uri"], None, row["source_id"]):
                is_changed = True
                continue
            known = read_json(folder / f"{at:05d}.json")
            is_gone = isinstance(known, dict) and known.get("video_id") in self.removed.videos
            kept.append(-1 if is_gone else at)
            is_changed = is_changed or is_gone
        if is_changed:
            self._add(folder, "stage", "staged")
            self.plan.stages[self.steps[-1]["path"]] = kept

    def of_dataset(self) -> None:
        """What is kept of all parts together."""
        root, removed = self.layout.root, self.removed
        self._if(root.glob("runs/seen.parquet"), "seen", "runs", self._has_seen)
        # Rows that name sources, and are none themselves. A copy's lie with the video it equals.
        paths = root.glob("cuts/*/given_rejected/*.parquet")
        self._if(paths, "seen", "given_rejected", self._has_source)
        self._of_subsets()
        self._if(
            [path for path in [log_path(self.layout)] if path.exists()],
            "verdicts",
            "verdicts",
            lambda path: (
                not removed.clips.isdisjoint(each["clip_id"] for each in read_entries(path))
            ),
        )
        self._if(
            [path for path in [review_log_path(self.layout)] if path.exists()],
            "reviews",
            "reviews",
            lambda path: names_clips(path, removed.clips),
        )
        self._of_duplicates()
        for folder in sorted((root / "search").glob("*")):
            ids = folder / "ids.parquet"
            if folder.is_dir() and (not ids.exists() or self._has(ids, "clip_id", removed.clips)):
                self._add(folder, "delete", f"search/{folder.name}")
        for path in sorted(root.glob("*.html")):
            with path.open("rb") as file:
                # It shows pictures, ids and the uris of what failed.
                if self.steps and REPORT_MARK in file.read(_HEAD_BYTES):
                    self._add(path, "delete", path.name)
        needles = Needles.of(removed)
        patterns = ("runs/*/run.json", "sources/*.json", "subsets/*.json", "scans/*/recipe.json",
                    "cuts/*/*.json", "dataset.json", "dataset.json.damaged")  # fmt: skip
        done = {step["path"] for step in self.steps}
        for path in sorted(each for pattern in patterns for each in root.glob(pattern)):
            if path.relative_to(root).as_posix() not in done and holds_texts(path, needles):
                table = "runs" if path.name == "run.json" else path.name
                self._add(path, "scrub", table)

    def _if(self, paths: Iterable[Path], action: str, table: str, has: Any) -> None:
        for path in sorted(paths):
            if has(path):
                self._add(path, action, table)

    def _has(self, path: Path, column: str, ids: frozenset[str] | set[str]) -> bool:
        return not ids.isdisjoint(read_part(path, [column])[column].to_pylist())

    def _has_source(self, path: Path) -> bool:
        if not path.exists():
            return False
        with reading_part(path):
            names = pq.read_schema(path).names
        columns = [name for name in ("uri", "video_id", "source_id") if name in names]
        return any(
            self.removed.hides(row["uri"], row.get("video_id"), row["source_id"])
            or row.get("video_id") in self.handed
            for row in read_part(path, columns).to_pylist()
        )

    def _has_seen(self, path: Path) -> bool:
        return any(
            self.removed.hides(row["uri"], row["video_id"], None)
            for row in read_part(path, ["uri", "video_id"]).to_pylist()
        )

    def _of_subsets(self) -> None:
        """Ids of the chosen and of the rejected, and what is stated of them."""
        root, removed = self.layout.root, self.removed
        for name in subset_names(self.layout):
            path = self.layout.subset(name)
            loses = self._has(path, "clip_id", removed.clips)
            left = self._facts_left(name)
            # One that loses none was still chosen from fewer clips than it states.
            if loses or left != subset_facts(self.layout, name):
                self.plan.subsets[name] = left
                if loses:
                    self._add(path, "answers", f"subsets/{name}")
                if path.with_suffix(".json").exists():
                    self._add(path.with_suffix(".json"), "subset", f"subsets/{name}")
        for path in sorted((root / "subsets" / "rejected").glob("*.parquet")):
            if self._has(path, "clip_id", removed.clips):
                self._add(path, "answers", f"subsets/rejected/{path.stem}")

    def _of_duplicates(self) -> None:
        """Rows of any part that name a removed clip as their group, or as what stands for them."""
        known = {step["path"] for step in self.steps}
        recipes = self.layout.read_record().column_recipes
        keys = [key for key, one in recipes.items() if set(NAMING) <= set(one.get("extras", {}))]
        for path in sorted(
            each
            for key in keys
            for each in self.layout.root.glob(f"cuts/*/columns/{key}/*.parquet")
        ):
            is_known = path.relative_to(self.layout.root).as_posix() in known
            if not is_known and any(self._has(path, name, self.removed.clips) for name in NAMING):
                self._add(path, "answers", f"columns/{path.parent.name}")

    def _facts_left(self, name: str) -> SubsetFacts:
        """The facts of a subset without the removed clips."""
        facts = subset_facts(self.layout, name)
        chosen = self._ids_of(self.layout.subset(name))
        if not facts:
            return {}
        cut, parent = facts["recipe"].get("cut"), facts["recipe"].get("subset")
        whole = None if parent is None else self._ids_of(self.layout.subset(parent))
        gone, of, seconds = chosen & self.removed.clips, 0, 0.0
        clips = sorted((self.layout.root / "cuts" / str(cut) / "clips").glob("part-*.parquet"))
        parts = {Path(step["path"]).stem for step in self.steps if step["action"] == "clips"}
        for path in clips if cut else []:
            if path.stem not in parts:
                continue
            table = read_part(path, ["clip_id", "kept", "duration_seconds"])
            for row in table.to_pylist():
                if row["clip_id"] in self.removed.clips and row["kept"]:
                    of += whole is None or row["clip_id"] in whole
                    seconds += row["duration_seconds"] if row["clip_id"] in chosen else 0.0
        left: SubsetFacts = {
            **facts,
            "clips": facts.get("clips", 0) - len(gone),
            "of": facts.get("of", 0) - of,
            "hours": round(max(0.0, facts.get("hours", 0.0) - seconds / 3600), 6),
        }
        if "reasons" in facts:
            left["reasons"] = self._reasons_left(name, facts["reasons"], of - len(gone))
        return left

    def _reasons_left(self, name: str, reasons: dict[str, int], rejected: int) -> dict[str, int]:
        """Why a subset lacks the clips that are left; nothing where that cannot be known.

        Args:
            name: of the subset.
            reasons: reason -> clips.
            rejected: how many of these are removed.
        """
        path = self.layout.rejected_by(name)
        if path.exists():
            table = read_part(path, ["clip_id", "reason"])
            rows = zip(table["clip_id"].to_pylist(), table["reason"].to_pylist(), strict=True)
            gone = Counter(reason for clip_id, reason in rows if clip_id in self.removed.clips)
        elif not rejected or len(reasons) == 1:
            gone = Counter(dict.fromkeys(reasons, rejected))
        else:
            return {}
        left = {reason: rows - gone[reason] for reason, rows in reasons.items()}
        return {reason: rows for reason, rows in left.items() if rows > 0}

    def _ids_of(self, subset: Path) -> set[str]:
        ids = read_part(subset, ["clip_id"])["clip_id"].to_pylist() if subset.exists() else ()
        return set(ids)


def owners_of(path: Path) -> frozenset[str]:
    """Videos of a part whose row groups each belong to one video."""
    with reading_part(path), pq.ParquetFile(path) as file:
        return frozenset(row_group_owners(file))


def size_of_path(path: Path) -> int:
    """Bytes of a file, or of all files in a folder; 0 where there is none."""
    if path.is_dir():
        return sum(each.stat().st_size for each in path.rglob("*") if each.is_file())
    try:
        return path.stat().st_size
    except OSError:
        return 0
