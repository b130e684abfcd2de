"""Makes a subset of a dataset: runs a selector over the kept clips, records ids and recipe."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from internvid.core.config import identity
from internvid.core.contracts import Selector
from internvid.core.errors import ConfigInvalidError, MisuseError, NothingSelectedError
from internvid.core.system.shell import command
from internvid.curate.select_out import write_relation
from internvid.curate.selectors.scratch_tables import drop_scratch, over
from internvid.curate.selectors.verdict import Verdict, bound, decide
from internvid.curate.tables.keys import name_key_sql
from internvid.curate.tables.writing import refuse_output
from internvid.dataset.duckdb_connection import interruptible, quoted
from internvid.dataset.names import NAME
from internvid.dataset.parts import commit_json, commit_table
from internvid.dataset.removal.purging import writing
from internvid.dataset.store import Dataset
from internvid.dataset.subset_files import SubsetFacts, SubsetRecipe, subset_facts

if TYPE_CHECKING:
    import duckdb

T = TypeVar("T")
ROW_KEY, REJECTION = "row_key", "rejection"
_ROW_KEY = f"{name_key_sql('clip_id')} as {ROW_KEY}"


@dataclass(frozen=True)
class SubsetSummary:
    """What a selection took, and why it did not take the rest.

    Attributes:
        name: of the subset; None where it was only written to a file.
        clips: that were chosen.
        of: clips that there were to choose from.
        hours: how long the chosen ones are.
        reasons: reason -> rejected clips.
        out: the file that the chosen rows were written to.
    """

    name: str | None
    clips: int
    of: int
    hours: float
    reasons: Mapping[str, int] = field(default_factory=dict)
    out: Path | None = None

    @property
    def chosen(self) -> int:
        """Clips that were chosen."""
        return self.clips

    @property
    def rejected(self) -> int:
        """Clips that were not."""
        return self.of - self.clips


def select_clips(
    dataset: Dataset,
    selector: Selector,
    name: str | None,
    out: Path | None,
    *,
    with_rejected: bool = False,
    subset: str | None = None,
) -> SubsetSummary:
    """Record what a selector takes under a name, or write it to a file, or both.

    Args:
        dataset: to choose from.
        selector: chooses.
        name: of the subset; None to record none.
        out: a file for the chosen clips with their columns; None for none.
        with_rejected: also the rejected ones, each with its reason.
        subset: to choose from; None for all kept clips.

    Raises:
        MisuseError: neither a name nor a file, or see `select`.
        OutputExistsError: the file is there.
    """
    if name is None and out is None:
        raise MisuseError("a subset needs a name", hint="add --as NAME, or --out FILE")
    files = output_files(out, with_rejected=with_rejected and out is not None)

    def write(verdict: Verdict) -> SubsetFacts:
        return _write_files(dataset, verdict, files)

    if name is not None:
        summary, written = _select(
            dataset, selector, name, with_rejected=with_rejected, subset=subset,
            write=write if files else None,
        )  # fmt: skip
        if not files or written is not None:
            return replace(summary, out=out)
    with deciding(dataset, selector, subset) as verdict:
        facts = write(verdict)
    return replace(_summary(name, facts), out=out)


def _write_files(dataset: Dataset, verdict: Verdict, files: Sequence[Path]) -> SubsetFacts:
    """Write the chosen rows to the first file, and the rejected ones to the second."""
    order = "order by video_id, start_pts"
    facts = _facts(verdict, {})
    if not facts["clips"]:
        raise _nothing(dataset, facts)
    for rows, path in zip((verdict.chosen, verdict.rejected()), files, strict=False):
        write_relation(over(rows, f"select * exclude (row_key) from input {order}"), path)
    return facts


def output_files(out: Path | None, *, with_rejected: bool) -> list[Path]:
    """The files that a selection writes; none of them is there yet.

    Raises:
        MisuseError: an ending that says no format, or rejected rows without a file beside them.
        OutputExistsError: one is there.
    """
    files = [] if out is None else [out]
    if with_rejected:
        if out is None:
            raise MisuseError("--with-rejected needs a file for the rows", hint="add --out FILE")
        files.append(out.with_name(f"{out.stem}.rejected{out.suffix}"))
    for path in files:
        refuse_output(path)
    return files


def select(
    dataset: Dataset,
    selector: Selector,
    name: str,
    *,
    with_rejected: bool = False,
    subset: str | None = None,
) -> SubsetSummary:
    """Record which kept clips a selector takes, under a name.

    The same name with the same selector over the same cut is fine and changes nothing.

    Args:
        dataset: to choose from.
        selector: chooses.
        name: of the subset.
        with_rejected: record also each rejected clip with its reason.
        subset: to choose from; None for all kept clips.

    Raises:
        MisuseError: a bad name, a name taken by another recipe, or nothing fits.
    """
    summary, _ = _select(dataset, selector, name, with_rejected=with_rejected, subset=subset)
    return summary


def _select(
    dataset: Dataset,
    selector: Selector,
    name: str,
    *,
    with_rejected: bool,
    subset: str | None,
    write: Callable[[Verdict], SubsetFacts] | None = None,
) -> tuple[SubsetSummary, SubsetFacts | None]:
    """See `select`; `write` is given the verdict too, where the subset is not there yet."""
    if not NAME.fullmatch(name):
        raise MisuseError(f"{name!r} cannot name a subset: use letters, digits, '.', '_' and '-'")
    path = dataset.layout.subset(name)
    recipe: SubsetRecipe = {"cut": dataset.record.cut, "selector": identity(selector)}
    if subset is not None:
        recipe["subset"] = subset
    with writing(dataset.layout):
        facts = subset_facts(dataset.layout, name)
        if facts and path.exists():
            if facts["recipe"] != recipe:
                raise MisuseError(
                    f"the subset {name!r} exists and was made by another recipe",
                    hint="choose another name with --as",
                )
            if not with_rejected or dataset.layout.rejected_by(name).exists():
                return _summary(name, facts), None
        with deciding(dataset, selector, subset) as verdict:
            _record(dataset, verdict, name, recipe, with_rejected=with_rejected)
            written = None if write is None else write(verdict)
    return _summary(name, subset_facts(dataset.layout, name)), written


def reads_videos(selector: Selector) -> bool:
    """Whether a selector wants the columns of the clips' videos, whatever columns clips have."""
    return bool(getattr(selector, "reads_videos", False))


@contextmanager
def deciding(dataset: Dataset, selector: Selector, subset: str | None = None) -> Iterator[Verdict]:
    """What a selector says of the kept clips of a dataset or subset, for a block that reads it.

    Raises:
        ConfigInvalidError: a condition that cannot be read, or fails on the values.
        MisuseError: there is no such subset, or what the selector itself raises.
    """
    import duckdb

    def decided(relation: duckdb.DuckDBPyRelation) -> Verdict:
        verdict = decide(bound(selector, dataset), relation)
        # Binds what is lazy: a column that is missing is missed here.
        verdict.chosen.limit(0).fetchall()
        return verdict

    def with_key(rows: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
        _refuse_taken_names(rows.columns)
        return rows.project(f"*, {_ROW_KEY}")

    def with_videos() -> duckdb.DuckDBPyRelation:
        return with_key(dataset.clips_relation(subset, of_video=None))

    if reads_videos(selector):
        clips = with_videos()
    else:
        chosen = ""
        if subset is not None:
            path = quoted([dataset.subset_path(subset)])
            chosen = f" semi join read_parquet({path}) using (clip_id)"
        clips = with_key(dataset.sql(f"select * from clips{chosen}"))
    columns = clips.columns
    try:
        with dataset.reading(), interruptible(dataset.connection):
            try:
                verdict = explained(columns, lambda: decided(clips))
            except ConfigInvalidError as error:
                if not isinstance(error.__cause__, duckdb.BinderException):
                    raise
                clips = with_videos()
                columns = clips.columns
                verdict = explained(columns, lambda: decided(clips))
            yield verdict
    except duckdb.Error as error:
        raise _unusable(error, columns) from error
    finally:
        drop_scratch(dataset.connection)


def _refuse_taken_names(columns: list[str]) -> None:
    """Refuse columns of clips that are called what rows are given in a selection.

    Raises:
        MisuseError: one is.
    """
    for name in columns:
        if name.lower() in (ROW_KEY, REJECTION):
            raise MisuseError(
                f"the clips have a column {name!r}, a name that is given to rows here",
                hint="make that column under another name (--as), and drop this one",
            )


def explained(columns: list[str], work: Callable[[], T]) -> T:
    """What `work` returns; DuckDB's errors as those of the selection, with the columns there are.

    Raises:
        ConfigInvalidError: DuckDB cannot do it.
    """
    import duckdb

    try:
        return work()
    except duckdb.Error as error:
        raise _unusable(error, columns) from error


def _unusable(error: Exception, columns: list[str]) -> ConfigInvalidError:
    import duckdb

    # Relations are lazy: a condition that reads well may still fail on the values.
    failing = isinstance(error, (duckdb.ConversionException, duckdb.InvalidInputException))
    return ConfigInvalidError(
        f"the selection cannot be used: {str(error).strip().splitlines()[0]}",
        hint=("try_cast(column as double) is null where a value is no number; " if failing else "")
        + f"columns are: {', '.join(columns)}",
    )


def _record(
    dataset: Dataset, verdict: Verdict, name: str, recipe: SubsetRecipe, *, with_rejected: bool
) -> None:
    """Write the ids, the facts, and the rejected ids if wanted."""
    word = recipe["selector"]["component"].rpartition(":")[2].lower()
    ids = over(
        verdict.chosen, f"select clip_id, '{word}' as reason from input order by clip_id"
    ).to_arrow_table()
    facts = _facts(verdict, recipe)
    if not ids.num_rows:
        raise _nothing(dataset, facts)
    if with_rejected:
        rejected = over(
            verdict.rejected(), "select clip_id, rejection as reason from input order by clip_id"
        )
        commit_table(dataset.layout.rejected_by(name), rejected.to_arrow_table())
    path = dataset.layout.subset(name)
    commit_table(path, ids)
    commit_json(path.with_suffix(".json"), facts)


def _facts(verdict: Verdict, recipe: SubsetRecipe) -> SubsetFacts:
    clips, seconds = verdict.chosen.aggregate(
        "count(*), coalesce(sum(duration_seconds), 0)"
    ).fetchall()[0]
    reasons = {
        reason: rows for reason, rows in verdict.counted().items() if reason is not None and rows
    }
    return {
        "clips": clips,
        "of": clips + sum(reasons.values()),
        "hours": round(float(seconds) / 3600, 6),
        "reasons": dict(sorted(reasons.items())),
        "recipe": recipe,
    }


def _nothing(dataset: Dataset, facts: SubsetFacts) -> NothingSelectedError:
    return NothingSelectedError(
        f"nothing fits: 0 of {facts['of']} clips{why_rejected(facts['reasons'])}",
        hint=f"see the values with: {command('describe', dataset.root)}",
    )


def why_rejected(reasons: Mapping[str, int]) -> str:
    """The reasons in brackets, for the end of a message."""
    listed = ", ".join(f"{rows} {reason}" for reason, rows in reasons.items())
    return f" ({listed})" if listed else ""


def _summary(name: str | None, facts: SubsetFacts) -> SubsetSummary:
    reasons = facts.get("reasons", {})
    return SubsetSummary(name, facts["clips"], facts["of"], facts["hours"], reasons)
