"""The scan pass over the parts of a share: stage what is pending, seal what may be sealed."""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from internvid.core.errors import InternvidError
from internvid.dataset.layout import Layout
from internvid.dataset.parts import read_part
from internvid.dataset.sources.known_videos import KnownVideos
from internvid.pipeline.progress import BuildProgress
from internvid.pipeline.removal.passing_over import tombstones_for_workers
from internvid.pipeline.scanning import ScanTask, scan_source, stage_failure
from internvid.pipeline.shares.sealing import SealTask, decide_same, has_earlier, seal_part
from internvid.pipeline.shares.stages import PartStage
from internvid.pipeline.sources import size_of
from internvid.run.executor import Executor, Failure, Result
from internvid.scan.scan import ScanRecipe


def scan_or_seal(task: ScanTask | SealTask, report: Any) -> Any:
    """Do one step of a scan pass, in a worker."""
    if isinstance(task, SealTask):
        return seal_part(task, report)
    return scan_source(task, report)


class _Front:
    """How far the parts are known, in order: the first one that is neither sealed nor staged.

    Attributes:
        parts: of the dataset, all in order.
        mine: those to be sealed here.
        seen: the videos of all parts before the front.
    """

    def __init__(self, layout: Layout, scan: str, recipe: ScanRecipe, parts: Sequence[str],
                 mine: Collection[str]) -> None:  # fmt: skip
        self.layout, self.scan, self.recipe = layout, scan, recipe
        self.parts, self.mine = parts, frozenset(mine)
        self.seen = KnownVideos()
        self._at = 0

    @property
    def waits_for(self) -> str | None:
        """The part at the front; None where all have been passed."""
        return self.parts[self._at] if self._at < len(self.parts) else None

    def advance(self) -> Iterator[SealTask]:
        """Pass every part that is sealed or staged; those of them that are to be sealed here."""
        while (part := self.waits_for) is not None:
            if self._take_sealed(part):
                self._at += 1
                continue
            task = self._take_staged(part)
            if task is None:
                # Others may have sealed it since the look above, and cleared its stages.
                if self._is_sealed(part):
                    continue
                return
            self._at += 1
            if part in self.mine:
                yield task

    def _is_sealed(self, part: str) -> bool:
        return self.layout.scanned(self.scan, "videos", part).exists()

    def _take_sealed(self, part: str) -> bool:
        if not self._is_sealed(part):
            return False
        path = self.layout.scanned(self.scan, "videos", part)
        for row in read_part(path, columns=["video_id", "uri", "status"]).to_pylist():
            if row["status"] == "ok" and row["video_id"]:
                self.seen.add(row["video_id"], row["uri"])
        return True

    def _take_staged(self, part: str) -> SealTask | None:
        """What seals a part; None where a stage lacks, or a part before it must be sealed first."""
        stage = PartStage.of(self.layout, self.scan, part)
        if stage.pending():
            return None
        rows = stage.rows()
        if rows is None or (any(stage.known_in) and stage.known_rows() is None):
            return None
        same, first = decide_same(rows, self.seen)
        if has_earlier(rows, same) and not all(map(self._is_sealed, self.parts[: self._at])):
            return None
        for video_id, uri in first.items():
            self.seen.add(video_id, uri)
        return SealTask(self.layout, self.scan, part, self.recipe, same)


@dataclass
class ScanPass:
    """One process's part of the scanning of a dataset.

    Attributes:
        layout, scan: what is written.
        recipe: of the scan, complete.
        parts: of the dataset, all in order.
        mine: the parts that are scanned and sealed here.
        scanned: sources that were scanned by this process.
        failures: those of them whose worker died or hung, with the reason.
    """

    layout: Layout
    scan: str
    recipe: ScanRecipe
    parts: Sequence[str]
    mine: Sequence[str]
    executor: Executor
    progress: BuildProgress
    scanned: int = 0
    failures: list[dict[str, str]] = field(default_factory=list)

    def run(self) -> str | None:
        """Stage every pending source of the share, seal every part of it that may be sealed.

        Returns the part of another share that is waited for; None where all of this one is sealed.
        """
        pending = self._pending()
        if pending is None:
            return None
        front = _Front(self.layout, self.scan, self.recipe, self.parts, self.mine)
        ready = deque(front.advance())
        with front.seen.as_file(self.layout.root) as known:
            self._run(_Steps(ready, self._tasks(pending, known)), front, pending)
        waits = any(not self._is_sealed(part) for part in self.mine)
        return front.waits_for if waits else None

    def _run(self, steps: _Steps, front: _Front, pending: Mapping[str, Sequence[int]]) -> None:
        lacking = {part: len(indexes) for part, indexes in pending.items()}
        # An executor that takes items ahead may have ended before the last parts were whole.
        while steps.has_more:
            for result in self.executor.map(scan_or_seal, steps.restarted(), self._report(steps)):
                step = steps.done(result.index)
                if isinstance(step, SealTask):
                    require_part(result.failure)
                    steps.ready.extend(front.advance())
                    continue
                number, task, part = step
                self._note(result, number, task)
                lacking[part] -= 1
                if not lacking[part]:
                    steps.ready.extend(front.advance())

    def _report(self, steps: _Steps) -> Any:
        def reached(index: int, where: tuple[float, float | None]) -> None:
            number = steps.source(index)
            if number is not None:
                self.progress.reached(number, where)

        return reached

    def _note(self, result: Result, number: int, task: ScanTask) -> None:
        row = result.value
        if result.failure is not None:
            row = stage_failure(task, result.failure)
            self.failures.append({"uri": row["uri"], **vars(result.failure)})
        # A row without a reason is that of a source which others have sealed meanwhile.
        failed = row["status"] == "failed" and "reason" in row
        seconds = row.get("duration_seconds") or 0.0
        self.progress.finished(number, seconds, failed=failed, reason=str(row.get("reason") or ""))
        self.scanned += 1

    def _is_sealed(self, part: str) -> bool:
        return self.layout.scanned(self.scan, "videos", part).exists()

    def _pending(self) -> dict[str, Sequence[int]] | None:
        """Part of the share that is not sealed -> places of its sources that are to be scanned.

        None where all are sealed.
        """
        pending: dict[str, Sequence[int]] = {}
        sizes = array("q")
        for part in self.mine:
            if not self._is_sealed(part):
                stage = PartStage.of(self.layout, self.scan, part)
                pending[part] = array("l", stage.pending())
                uris = stage.sources.column("uri").to_pylist()
                sizes.extend(size_of(uris[index]) for index in pending[part])
        self.progress.begin(sizes)
        return pending or None

    def _tasks(
        self, pending: Mapping[str, Sequence[int]], known: Path | None
    ) -> Iterator[tuple[int, ScanTask, str]]:
        """(number, task, part) of each pending source, made when there is room for it."""
        removed = tombstones_for_workers(self.layout)
        number = 0
        for part, indexes in pending.items():
            if not indexes:
                continue
            stage = PartStage.of(self.layout, self.scan, part)
            uris = stage.sources.column("uri").to_pylist()
            for index in indexes:
                where = stage.stage(index)
                task = ScanTask(uris[index], where, self.recipe, known, removed, stage.sealed)
                yield number, task, part
                number += 1


class _Steps(Iterator[ScanTask | SealTask]):
    """The steps of a scan pass, in the order in which they are handed out.

    Of millions of steps only those exist that are under way. Parts that are ready to be sealed go
    first, so that staged pictures do not gather. It may end and have more later: an executor asks
    again after each result.
    """

    def __init__(
        self, ready: deque[SealTask], sources: Iterator[tuple[int, ScanTask, str]]
    ) -> None:
        self.ready, self._sources = ready, sources
        self._under_way: dict[int, SealTask | tuple[int, ScanTask, str]] = {}
        self._next = next(sources, None)
        self._index = 0

    @property
    def has_more(self) -> bool:
        """Whether there is a step to hand out."""
        return bool(self.ready) or self._next is not None

    def restarted(self) -> _Steps:
        """Itself, for another pass of an executor, which counts its items from 0."""
        self._index = 0
        return self

    def __next__(self) -> ScanTask | SealTask:
        if self.ready:
            task = self.ready.popleft()
            self._under_way[self._index] = task
            self._index += 1
            return task
        if self._next is None:
            raise StopIteration
        step, self._next = self._next, next(self._sources, None)
        self._under_way[self._index] = step
        self._index += 1
        return step[1]

    def done(self, index: int) -> SealTask | tuple[int, ScanTask, str]:
        """The step that a result belongs to."""
        return self._under_way.pop(index)

    def source(self, index: int) -> int | None:
        """The number of a source that is being scanned; None of a part that is being sealed."""
        step = self._under_way[index]
        return None if isinstance(step, SealTask) else step[0]


def require_part(failure: Failure | None) -> None:
    """Stop the run where a whole part failed.

    Raises:
        InternvidError: it did.
    """
    if failure is not None:
        raise InternvidError(
            f"a pass over a part failed: {failure.message}\n{failure.details}".rstrip(),
            hint="this is a fault of a component, not of a video; what is done is kept",
        )
