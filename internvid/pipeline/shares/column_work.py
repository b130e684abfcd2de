"""A planned column, part by part, by whichever process comes first.

A part is taken by a lock, so that no model is paid twice for a clip, and marked when it is done:
an answer that failed is no sign of a part that is not.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from internvid.core.annotators import set_up
from internvid.core.config import plain
from internvid.core.errors import DatasetBusyError
from internvid.dataset.layout import Layout, Record, read_json
from internvid.dataset.parts import held
from internvid.dataset.shared.once import put_json
from internvid.dataset.stores.store_commit import remove_what_is_there
from internvid.pipeline.annotate.annotate import Survey, survey, write_column
from internvid.pipeline.annotate.column_progress import AnnotateProgress
from internvid.pipeline.annotate.pick_sets import give_pick_sets
from internvid.pipeline.annotate.stream import ColumnJob
from internvid.pipeline.progress import BuildProgress
from internvid.run.executor import Executor

PARTS_AT_ONCE = 16


@dataclass
class ColumnWork:
    """One column of a plan.

    Attributes:
        plan: digest of the plan.
        job: the column.
        answered: clips that were answered by this process.
    """

    plan: str
    job: ColumnJob
    executor: Executor
    progress: BuildProgress
    answered: int = 0
    _done: set[str] = field(default_factory=set)
    _is_set_up: bool = False

    @property
    def name(self) -> str:
        """The column's name."""
        return self.job.column.partition("@")[0]

    def is_done(self, part: str) -> bool:
        """Whether a part is done, by whomever."""
        if part not in self._done and self._mark(part).exists():
            self._done.add(part)
        return part in self._done

    def run(self, parts: Sequence[str]) -> None:
        """Do these parts, but those that another process is at.

        Raises:
            InternvidError: the component is at fault, or says what is missing. What was answered is
                kept.
        """
        left = [part for part in parts if not self.is_done(part)]
        for start in range(0, len(left), PARTS_AT_ONCE):
            with ExitStack() as claims:
                chosen = left[start : start + PARTS_AT_ONCE]
                mine = [part for part in chosen if self._claim(part, claims)]
                # Others may have done it between the look and the claim.
                mine = [part for part in mine if not self.is_done(part)]
                if mine:
                    self._do(mine)

    def _claim(self, part: str, claims: ExitStack) -> bool:
        path = self._mark(part).with_suffix(".lock")
        busy = DatasetBusyError(f"another process writes {part} of {self.name}")
        try:
            claims.enter_context(held(path, busy))
        except DatasetBusyError:
            return False
        return True

    def _do(self, parts: Sequence[str]) -> None:
        job = replace(self.job, share=tuple(parts))
        surveyed = survey(job)
        verb = "captioning" if job.traits.verb == "caption" else "scoring"
        self.progress.enter(f"{verb} ({self.name})")
        if surveyed.asked:
            if not self._is_set_up:
                set_up(job.component)
                self._is_set_up = True
            (job,) = give_pick_sets([job], [True], self.executor, AnnotateProgress())
        summary = write_column(job, surveyed, self.executor, AnnotateProgress())
        self.answered += summary.answered
        for part in parts:
            put_json(self._mark(part), self._noted(job, surveyed, part))

    def _noted(self, job: ColumnJob, surveyed: Survey, part: str) -> dict[str, Any]:
        noted: dict[str, Any] = {"asked": surveyed.parts.get(part, 0)}
        if surveyed.asked and hasattr(job.component, "recorded"):
            noted["describes"] = plain(job.component.recorded())
        return noted

    def _mark(self, part: str) -> Path:
        folder = self.job.layout.work_marks(self.plan, f"{self.job.cut}-{self.job.column}")
        return folder / f"{part}.json"

    def describe(self, record: Record) -> None:
        """Take over what loaded components state of themselves; in memory."""
        for part in self.job.parts:
            noted = read_json(self._mark(part))
            if isinstance(noted, dict) and "describes" in noted:
                record.column_recipes[self.job.column]["describes"] = noted["describes"]
                return


def discard_marks(layout: Layout, plan: str | None) -> None:
    """Remove the notes of all plans but one. Only under the write lock."""
    folder = layout.root / "staged" / "shares"
    if not folder.is_dir():
        return
    for each in list(folder.iterdir()):
        if each.name != plan:
            remove_what_is_there(each)
    for empty in (folder, folder.parent):
        with suppress(OSError):
            empty.rmdir()
