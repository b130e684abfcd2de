"""The main job: raw videos in, a browsable dataset out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

import pyarrow.compute as pc

from internvid.core.annotators import set_up
from internvid.core.config import identity, plain
from internvid.core.types import GIVEN
from internvid.dataset.current import count_clips, gone_videos, latest_videos
from internvid.dataset.layout import Layout, Record
from internvid.dataset.removal.purging import writing
from internvid.dataset.sources.remap import remap
from internvid.dataset.stores.store_path import located
from internvid.pipeline.annotate.annotate import require, survey, write_column
from internvid.pipeline.annotate.column_progress import AnnotateProgress
from internvid.pipeline.annotate.jobs import note_column
from internvid.pipeline.annotate.pick_sets import give_pick_sets
from internvid.pipeline.cutting import CutTask, cut_part
from internvid.pipeline.given.given_cut import GivenCut, cut_given_part
from internvid.pipeline.given.given_table import GivenInputs, open_given, scratch_beside
from internvid.pipeline.given.rejected_rows import count_rejected
from internvid.pipeline.progress import BuildProgress
from internvid.pipeline.recipe import Recipe
from internvid.pipeline.removal.passing_over import pass_over_removed
from internvid.pipeline.runs import write_run
from internvid.pipeline.shares.preparing import recipe_job
from internvid.pipeline.shares.scan_pass import ScanPass
from internvid.pipeline.shares.stages import clear_sealed
from internvid.pipeline.source_parts import check_part_size, plan_sources, set_part_size
from internvid.pipeline.sources import find_sources
from internvid.pipeline.watching.worker_beats import beating, clear_beats
from internvid.run.executor import Executor
from internvid.run.executors import opened_executor


@dataclass(frozen=True)
class BuildSummary:
    """What a build leaves, for people and programs.

    Attributes:
        videos: sources that are ok. clips: kept clips. rejected: other clips.
        failures: sources that are not usable. duplicates: sources with another's bytes.
        removed: sources that were passed over, because they or their bytes were removed before.
        notes: sentences about what was taken from tables of sources, and what was not; and
            about videos that a fast scan decoded in full.
        set_aside: rows of these tables that name no source that can be used.
        given_rows: rows that state a clip of a source; 0 unless the clips are given.
        given_rejected: reason -> those of them that became no clip.
    """

    dataset: Path
    videos: int
    clips: int
    rejected: int
    failures: int
    duplicates: int
    clips_files: str
    videos_files: str
    scanned: int
    seconds: float
    notes: tuple[str, ...] = ()
    set_aside: int = 0
    removed: int = 0
    given_rows: int = 0
    given_rejected: Mapping[str, int] = field(default_factory=dict)


def build(
    videos: Sequence[str] | GivenInputs,
    dataset: str | Path,
    recipe: Recipe,
    *,
    workers: int | None = None,
    executor: str | Executor = "local",
    retry: bool = False,
    types: Mapping[str, str] | None = None,
    moved: Sequence[str] = (),
    part_mb: int | None = None,
    progress: BuildProgress | None = None,
) -> BuildSummary:
    """Make or continue a dataset.

    Sources already recorded are not scanned again; new ones are. With another recipe only what
    it changes is made anew, beside what is there. A killed build goes on where it stopped and
    ends in the same bytes.

    Args:
        videos: files, folders, globs or tables (see `find_sources`); or tables that state clips
            (see `open_given`), whose spans are cut, and whose captions are the column `given`.
        dataset: the folder; new, empty, or a dataset.
        recipe: what to make.
        workers: processes; all cores when None.
        executor: where they run: `local`, `ray`, or an executor.
        retry: plan sources that failed once more.
        types: column of a table of sources -> SQL type of its values (bigint, double, boolean,
            date, timestamp, varchar); texts are read so.
        moved: `OLD=NEW` of files and folders that lie elsewhere than the dataset says.
        part_mb: megabytes that a part of a new dataset shall take, as reckoned from its sources;
            64 sources a part when None.
        progress: called with everything that happens.

    Raises:
        InternvidError: misuse, a busy dataset, a full disk. A bad source is no error: it
            becomes a failed row.
    """
    shown = progress or BuildProgress()
    layout = Layout(located(dataset))
    # os.path answers False for names that no file can have; they are refused below.
    has_record = layout.has_record()
    known = layout.read_record().metadata if has_record else {}
    # Before the lock file is made, so that a refused folder stays as it was.
    layout.refuse_foreign()
    check_part_size(part_mb)
    recipe.check()  # what cannot run is refused before anything is written
    with ExitStack() as held:
        runs_on = held.enter_context(opened_executor(executor, workers))
        given = None
        if isinstance(videos, GivenInputs):
            shown.enter("reading the table")
            table = held.enter_context(open_given(videos, scratch_beside(layout.root)))
            sources, given = table.sources, GivenCut(table, recipe)
        else:
            sources = find_sources(videos, types, known)
        held.enter_context(writing(layout))
        record = layout.create()
        set_part_size(record, part_mb)
        moves = (remap(layout, moved),) if moved else ()
        sources, passed = pass_over_removed(layout, sources)
        notes = moves + plan_sources(layout, record, sources, retry=retry)
        run = _Run(layout, record, recipe, runs_on, shown, given)
        # Nobody else builds now: such words are those of a process that was killed.
        clear_beats(layout, "")
        with beating(layout, shown):
            run.scan()
            run.cut()
            run.annotate()
            run.point_at_current()
        summary = run.finish()
        aside = sum(table.rows for table in sources.tables)
        removed = summary.removed + passed
        if removed:
            notes = (*notes, f"sources passed over because they were removed: {removed}")
        return replace(summary, notes=(*notes, *summary.notes), set_aside=aside, removed=removed)


class _Run:
    """One build in progress: its passes, in the order `build` calls them."""

    def __init__(
        self,
        layout: Layout,
        record: Record,
        recipe: Recipe,
        executor: Executor,
        progress: BuildProgress,
        given: GivenCut | None,
    ) -> None:
        self.layout, self.record, self.recipe = layout, record, recipe
        self.executor, self.progress, self.given = executor, progress, given
        self.parts = [part["name"] for part in record.parts]
        self.scan_recipe = recipe.complete_scan()
        self.scan_key = recipe.scan_fingerprint()
        self.cut_key = recipe.cut_key() if given is None else given.key()
        self.scanned = 0
        self.columns: dict[str, str] = {}
        self.failures: list[dict[str, str]] = []

    def scan(self) -> None:
        """Stage every pending source, seal every part."""
        clear_sealed(self.layout, self.scan_key, self.parts)
        self.progress.enter("scanning")
        scanning = ScanPass(
            self.layout,
            self.scan_key,
            self.scan_recipe,
            self.parts,
            self.parts,
            self.executor,
            self.progress,
        )
        scanning.run()
        self.scanned, self.failures = scanning.scanned, scanning.failures

    def cut(self) -> None:
        """Cut every part that this recipe has not cut yet."""
        self.progress.enter("cutting")
        if self.given is not None:
            given_tasks = self.given.tasks(self.layout, self.parts)
            results = self.executor.map(cut_given_part, given_tasks)
        else:
            tasks = (
                CutTask(self.layout, self.scan_key, self.cut_key, part, self.recipe.cut)
                for part in self.parts
                if not self.layout.clips(self.cut_key, part).exists()
            )
            results = self.executor.map(cut_part, tasks)
        for result in results:
            require(result.failure)
            self.progress.clips += result.value
            self.progress.changed(self.progress)
        key = None if self.given is None else self.given.column_key()
        if self.given is not None and key is not None:
            self.record.column_recipes[key] = self.given.column_record()
            self.columns[GIVEN] = key

    def annotate(self) -> None:
        """Let each captioner and scorer of the recipe write its column."""
        for name, component in self.recipe.captioners.items():
            self.progress.enter(f"captioning ({name})")
            job = recipe_job(self.layout, self.record, self.recipe, name)
            # That of a cut of stated spans has another cut.
            job = replace(job, cut=self.cut_key)
            surveyed = survey(job)
            if surveyed.asked:
                set_up(component)
                (job,) = give_pick_sets([job], [True], self.executor, AnnotateProgress())
            write_column(job, surveyed, self.executor, AnnotateProgress())
            note_column(self.record, job)
            self.columns[name] = job.column

    def point_at_current(self) -> None:
        """Record this recipe's scan, cut and columns as the current ones."""
        record = self.record
        record.scan, record.cut = self.scan_key, self.cut_key
        record.scans[self.scan_key] = identity(self.scan_recipe)
        made_by = self.recipe.cut_record() if self.given is None else self.given.record()
        record.cuts[self.cut_key] = made_by
        record.columns.setdefault(self.cut_key, {}).update(self.columns)
        self.layout.write_record(record)

    def finish(self) -> BuildSummary:
        """Count what is there and write the run's timings."""
        self.progress.enter("done")
        latest = latest_videos(self.layout, self.scan_key, self.parts, ["status", "scan_mode"])
        statuses = Counter(latest["status"].to_pylist())
        modes = latest.filter(pc.equal(latest["status"], "ok"))["scan_mode"].to_pylist()
        gone = gone_videos(self.layout, self.scan_key, self.parts)
        kept, rejected = count_clips(self.layout, self.cut_key, self.parts, gone)
        summary = BuildSummary(
            dataset=self.layout.root,
            videos=statuses["ok"],
            clips=kept,
            rejected=rejected,
            failures=statuses["failed"],
            duplicates=statuses["duplicate"],
            removed=statuses["removed"],
            clips_files=str(self.layout.clips(self.cut_key, "*")),
            videos_files=str(self.layout.scanned(self.scan_key, "videos", "*")),
            scanned=self.scanned,
            seconds=self.progress.elapsed_seconds,
            notes=self._notes_on(modes),
            given_rows=0 if self.given is None else self.given.table.rows,
            given_rejected={}
            if self.given is None
            else count_rejected(self.layout, self.scan_key, self.cut_key, self.record.parts),
        )
        self._write_run(summary)
        return summary

    def _notes_on(self, modes: Sequence[str | None]) -> tuple[str, ...]:
        full = modes.count("full")
        if self.scan_recipe.mode != "fast" or not full:
            return ()
        note = (
            f"{full} of {len(modes)} videos were scanned in full: their packets do not say when "
            "each frame is shown (column scan_mode of videos)"
        )
        return (note,)

    def _write_run(self, summary: BuildSummary) -> None:
        facts = {
            "seconds": round(summary.seconds, 3),
            "recipe": {
                "name": self.cut_key.partition("@")[0],
                **plain(identity(self.recipe.cut if self.given is None else self.given.spans)),
            },
            "scan": self.scan_key,
            "cut": self.cut_key,
            "scanned": summary.scanned,
            "video_seconds": round(self.progress.video_seconds, 3),
            "failures": self.failures,
        }
        write_run(self.layout, facts)
