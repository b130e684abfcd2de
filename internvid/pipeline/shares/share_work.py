"""One process's share of planned work: whatever of it is ready is done, then it says what waits."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from internvid.core.errors import PlanMismatchError
from internvid.dataset.layout import Layout
from internvid.dataset.parts import commit_json
from internvid.dataset.shared.turns import working_together
from internvid.pipeline.cutting import CutTask, cut_part
from internvid.pipeline.progress import BuildProgress
from internvid.pipeline.recipe import Recipe
from internvid.pipeline.runs import write_run
from internvid.pipeline.shares.column_work import ColumnWork, discard_marks
from internvid.pipeline.shares.preparing import (
    planned_job,
    point_at_build,
    point_at_column,
    recipe_job,
)
from internvid.pipeline.shares.scan_pass import ScanPass, require_part
from internvid.pipeline.shares.stages import clear_sealed
from internvid.pipeline.shares.work_plan import MakeRecipe, WorkPlan, read_plan
from internvid.pipeline.watching.worker_beats import beating, clear_beats
from internvid.run.executor import Executor

_SHOWN = 3


@dataclass(frozen=True)
class WorkSummary:
    """What one process did, and what is left.

    Attributes:
        share: such as `1/4`.
        parts: parts of this share.
        done: whether all that was planned is done, by whomever; the dataset shows it then.
        waits: sentences about what others have not done yet.
        scanned: sources that were scanned now. failed: those of them that cannot be used.
        cut: parts that were cut now.
        answered: column -> clips that were answered now.
        seconds: wall time.
    """

    share: str
    parts: int
    done: bool
    waits: tuple[str, ...] = ()
    scanned: int = 0
    failed: int = 0
    cut: int = 0
    answered: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0


def do_share(
    layout: Layout,
    number: int,
    shares: int,
    make: MakeRecipe,
    executor: Executor,
    progress: BuildProgress,
) -> WorkSummary | None:
    """Do what is ready of one share of the planned work.

    Others may do the same at the same time, on any machine that has the folder, also the same
    share: then work is wasted, and nothing else. Killed at any moment, the next call goes on.

    Args:
        layout: of the dataset.
        number: of the share, from 0. shares: how many there are.
        make: how a recipe of a name is made, before its settings.
        executor: of this machine.
        progress: called with everything that happens.

    Returns:
        What was done; None where nothing is planned.

    Raises:
        PlanMismatchError: another version of internvid planned it, or other code.
        DatasetBusyError: another process writes alone.
        InternvidError: a full disk; a component at fault.
    """
    layout.read_record()
    started = time.monotonic()

    def clean() -> None:
        plan = read_plan(layout)
        parts = [entry["name"] for entry in layout.read_record().parts]
        if plan is not None and plan.build is not None:
            clear_sealed(layout, plan.build.scan, parts)
        discard_marks(layout, None if plan is None else plan.digest)

    with working_together(layout, clean):
        plan = read_plan(layout)
        if plan is None:
            return None
        work = _Work(layout, plan, number, shares, make, executor, progress)
        with beating(layout, progress, plan=plan.digest, share=work.name):
            summary = work.run()
        if summary.done:
            clear_beats(layout, plan.digest)
        summary = replace(summary, seconds=round(time.monotonic() - started, 3))
        write_run(layout, {"work": vars(summary), "plan": plan.digest, "failures": work.failures})
    return summary


class _Work:
    """One share in progress."""

    def __init__(
        self,
        layout: Layout,
        plan: WorkPlan,
        number: int,
        shares: int,
        make: MakeRecipe,
        executor: Executor,
        progress: BuildProgress,
    ) -> None:
        self.layout, self.plan, self.make = layout, plan, make
        self.executor, self.progress = executor, progress
        self.record = layout.read_record()
        self.parts = [entry["name"] for entry in self.record.parts]
        self.mine = plan.share(self.parts, number, shares)
        self.name = f"{number + 1}/{shares}"
        self.failures: list[dict[str, str]] = []
        self.columns: list[ColumnWork] = []

    def run(self) -> WorkSummary:
        """Do what is ready; where all is done, make it what the dataset shows."""
        scanned = cut = 0
        waits: list[str] = []
        recipe = None
        if self.plan.build is not None:
            recipe = self.plan.build.remade(self.make)
            scanned, cut, waits = self._build(recipe)
        if not waits:
            waits = self._annotate(recipe)
        if not waits:
            self._finish()
        self.progress.enter("done" if not waits else "waiting")
        return WorkSummary(
            self.name,
            len(self.mine),
            not waits,
            tuple(waits),
            scanned,
            self.progress.failures,
            cut,
            {work.name: work.answered for work in self.columns},
        )

    def _build(self, recipe: Recipe) -> tuple[int, int, list[str]]:
        """Scan and cut; returns (sources scanned, parts cut, what is waited for)."""
        assert self.plan.build is not None
        scan, cut = self.plan.build.scan, self.plan.build.cut
        self.progress.enter("scanning")
        scanning = ScanPass(
            self.layout,
            scan,
            recipe.complete_scan(),
            self.parts,
            self.mine,
            self.executor,
            self.progress,
        )
        scanning.run()
        self.failures = scanning.failures
        self.progress.enter("cutting")
        ready = [
            part
            for part in self.mine
            if self.layout.scanned(scan, "videos", part).exists()
            and not self.layout.clips(cut, part).exists()
        ]
        tasks = (CutTask(self.layout, scan, cut, part, recipe.cut) for part in ready)
        for result in self.executor.map(cut_part, tasks):
            require_part(result.failure)
            self.progress.clips += result.value
            self.progress.changed(self.progress)
        waits = [
            *_waits("scanned and sealed", self.parts,
                    lambda part: self.layout.scanned(scan, "videos", part).exists()),
            *_waits("cut", self.parts, lambda part: self.layout.clips(cut, part).exists()),
        ]  # fmt: skip
        return scanning.scanned, len(ready), waits

    def _annotate(self, recipe: Recipe | None) -> list[str]:
        """Write the columns, each where those that it may read are done; what is waited for."""
        ahead = self.ahead = self.layout.read_record()
        if recipe is not None:
            point_at_build(ahead, recipe)
            for name in recipe.captioners:
                self._write(recipe_job(self.layout, ahead, recipe, name))
        for column in self.plan.columns:
            self._write(planned_job(self.layout, ahead, column))
        return [
            sentence
            for work in self.columns
            for sentence in _waits(f"in column {work.name}", self.parts, work.is_done)
        ]

    def _write(self, job: Any) -> None:
        work = ColumnWork(self.plan.digest, job, self.executor, self.progress)
        before = self.columns
        work.run([part for part in self.mine if all(each.is_done(part) for each in before)])
        self.columns = [*before, work]
        point_at_column(self.ahead, job)

    def _finish(self) -> None:
        """Make what is done the current scan, cut and columns; the plan is kept among the runs."""
        if read_plan(self.layout) not in (self.plan, None):
            raise PlanMismatchError(
                f"other work is planned for {self.layout.root} by now",
                hint="run the same command again: it does what is planned",
            )
        for work in self.columns:
            work.describe(self.ahead)
        # Whoever else does this at the same time writes the same bytes.
        self.layout.write_record(self.ahead)
        done = self.layout.work_done(self.plan.digest)
        if self.layout.work_path.exists():
            commit_json(done, {"plan": self.plan.digest, "share": self.name})
        self.layout.work_path.unlink(missing_ok=True)


def was_done(layout: Layout) -> bool:
    """Whether some planned work was done in this dataset before."""
    return any(layout.root.glob("runs/done-*/plan.json"))


def _waits(what: str, parts: Sequence[str], is_done: Callable[[str], bool]) -> Iterable[str]:
    """A sentence about the parts that are not done, if there are some."""
    lacking = [part for part in parts if not is_done(part)]
    if lacking:
        more = ", ..." if len(lacking) > _SHOWN else ""
        names = ", ".join(lacking[:_SHOWN])
        yield f"{len(lacking)} of {len(parts)} parts are not {what} yet: {names}{more}"
