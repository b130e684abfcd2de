"""Stages of scanned sources, which several workers may write at the same time.

A stage is a row in JSON and two files of data. The data have a name of their own for every try; the
row, written last and never replaced, names them. Whose row comes second takes what stands. Nobody
touches what another has staged: files that no row names go when their part is sealed.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from internvid.dataset.layout import Layout
from internvid.dataset.parts import discard, read_part
from internvid.dataset.shared.once import put_json
from internvid.dataset.stores.store_commit import remove_what_is_there
from internvid.dataset.tables import VideoRow
from internvid.pipeline.source_parts import StagedVideo

DATA = (".timeline", ".picks")


@dataclass(frozen=True)
class StageFiles:
    """The files of one try at one source.

    Attributes:
        stage: path of the stage without a suffix.
        token: of this try; empty for those of before tries had names.
    """

    stage: Path
    token: str = field(default_factory=lambda: secrets.token_hex(6))

    def data(self, suffix: str) -> Path:
        """One of the files of data: `.timeline` or `.picks`."""
        token = f".{self.token}" if self.token else ""
        return self.stage.with_name(f"{self.stage.name}{token}{suffix}")

    def discard(self) -> None:
        """Remove the data of this try."""
        for suffix in DATA:
            discard(self.data(suffix))

    def leave(self) -> None:
        """Remove the data of this try, and the folders that were made for them alone."""
        self.discard()
        _remove_empty(self.stage.parent)

    def commit(self, row: StagedVideo, sealed: Path | None) -> StagedVideo:
        """Stage the row, unless another one stands; the row that holds.

        Args:
            row: of this try; it has data if it is `ok`.
            sealed: what is there once the part is sealed, after which a stage is of no use.
        """
        if row["status"] == "ok":
            row["token"] = self.token
        place = row_of(self.stage)
        is_ours = put_json(place, row)
        if is_late(sealed):
            # It came after the stages of its part had been cleared, or is cleared just now.
            if is_ours:
                place.unlink(missing_ok=True)
            self.leave()
            return row
        if is_ours:
            return row
        self.discard()
        return read_stage(self.stage) or row


def row_of(stage: Path) -> Path:
    """The row of a stage."""
    return stage.with_name(f"{stage.name}.json")


def is_late(sealed: Path | None) -> bool:
    """Whether a part is sealed by now."""
    return sealed is not None and sealed.exists()


def read_stage(stage: Path) -> StagedVideo | None:
    """The row that is staged; None where there is none, or none any more."""
    try:
        row: StagedVideo = json.loads(row_of(stage).read_text("utf-8"))
    except FileNotFoundError:
        return None
    return row


def data_of(stage: Path, row: StagedVideo, suffix: str) -> Path:
    """A file of data that a staged row names."""
    return StageFiles(stage, row.get("token", "")).data(suffix)


@dataclass(frozen=True)
class PartStage:
    """One part being scanned: its recorded sources and where their stages lie."""

    layout: Layout
    scan: str
    part: str
    sources: pa.Table

    @classmethod
    def of(cls, layout: Layout, scan: str, part: str) -> PartStage:
        """The stage of a part, with its list of sources read."""
        return cls(layout, scan, part, read_part(layout.sources(part)))

    @property
    def sealed(self) -> Path:
        """What is there once the part is sealed."""
        return self.layout.scanned(self.scan, "videos", self.part)

    @property
    def known_in(self) -> Sequence[str | None]:
        """The part in which each source was scanned before; None for those to be scanned."""
        parts: list[str | None] = self.sources.column("known_in").to_pylist()
        return parts

    def stage(self, index: int) -> Path:
        """Path stem of one source's stage."""
        return self.layout.staged(self.scan, self.part) / f"{index:05d}"

    def pending(self) -> list[int]:
        """Sources that are to be read and have no whole stage yet."""
        known = self.known_in
        folder = self.layout.staged(self.scan, self.part)
        try:
            # One listing in place of a look for each: network folders answer slowly.
            there = {each.name for each in folder.iterdir() if each.suffix == ".json"}
        except FileNotFoundError:
            there = set()
        return [
            index
            for index, part in enumerate(known)
            if part is None and row_of(self.stage(index)).name not in there
        ]

    def rows(self) -> list[StagedVideo | None] | None:
        """The staged row of each source, None for those known; None where one is not staged."""
        rows: list[StagedVideo | None] = []
        for index, part in enumerate(self.known_in):
            row = None if part is not None else read_stage(self.stage(index))
            if row is None and part is None:
                return None
            rows.append(row)
        return rows

    def known_rows(self) -> dict[str, VideoRow] | None:
        """The rows so far of sources that only have other metadata, by their uri.

        None where a part in which they were scanned is not sealed yet.
        """
        rows: dict[str, VideoRow] = {}
        for part in sorted({part for part in self.known_in if part is not None}):
            path = self.layout.scanned(self.scan, "videos", part)
            if not path.exists():
                return None
            for row in read_part(path).to_pylist():
                rows[row["uri"]] = row
        return rows

    def clear(self) -> None:
        """Remove the stages of a sealed part, and the folders they leave empty.

        What somebody writes there meanwhile stays, for whoever writes alone next.
        """
        folder = self.layout.staged(self.scan, self.part)
        remove_what_is_there(folder)
        _remove_empty(folder)


def _remove_empty(folder: Path) -> None:
    """Remove the folder of a part's stages, of its scan and of all stages, where they are empty."""
    for each in (folder, folder.parent, folder.parent.parent):
        with suppress(OSError):
            each.rmdir()


def clear_sealed(layout: Layout, scan: str, parts: Sequence[str]) -> None:
    """Remove stages of parts that are sealed: of a process that was killed, or that came late.

    Only under the write lock.
    """
    folder = layout.staged(scan, "part").parent
    there = {each.name for each in folder.iterdir()} if folder.is_dir() else set()
    for part in parts if there else ():
        if part in there and layout.scanned(scan, "videos", part).exists():
            PartStage(layout, scan, part, pa.table({})).clear()
