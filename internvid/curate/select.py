"""Makes a subset: runs a selector over the kept clips and records ids, reasons and recipe."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import duckdb

from internvid.core.config import identity
from internvid.core.contracts import Selector
from internvid.core.errors import ConfigInvalidError, MisuseError
from internvid.core.system.shell import command
from internvid.dataset.names import NAME
from internvid.dataset.parts import commit_json, commit_table
from internvid.dataset.removal.purging import writing
from internvid.dataset.store import Dataset
from internvid.dataset.subset_files import SubsetFacts, SubsetRecipe, subset_facts


@dataclass(frozen=True)
class SubsetSummary:
    """What a selection took."""

    name: str
    clips: int
    of: int
    hours: float


def select(dataset: Dataset, selector: Selector, name: str) -> SubsetSummary:
    """Record which kept clips a selector takes, under a name.

    The same name with the same selector over the same cut is fine and changes nothing.

    Raises:
        MisuseError: a bad name, a name taken by another recipe, or nothing fits.
    """
    if not NAME.fullmatch(name):
        raise MisuseError(f"{name!r} cannot name a subset: use letters, digits, '.', '_' and '-'")
    path = dataset.layout.subset(name)
    recipe: SubsetRecipe = {"cut": dataset.record.cut, "selector": identity(selector)}
    with writing(dataset.layout):
        facts_path = path.with_suffix(".json")
        facts = subset_facts(dataset.layout, name)
        if facts and path.exists():
            if facts["recipe"] != recipe:
                raise MisuseError(
                    f"the subset {name!r} exists and was made by another recipe",
                    hint="choose another name with --as",
                )
            return SubsetSummary(name, facts["clips"], facts["of"], facts["hours"])
        ids = _chosen(dataset, selector)
        facts = _facts(dataset, ids, recipe)
        if not ids.num_rows:
            raise MisuseError(
                f"nothing fits: 0 of {facts['of']} clips",
                hint=f"see the values with: {command('describe', dataset.root)}",
            )
        commit_table(path, ids)
        commit_json(facts_path, facts)
    return SubsetSummary(name, facts["clips"], facts["of"], facts["hours"])


def _chosen(dataset: Dataset, selector: Selector) -> Any:
    """Ids and reasons; with the columns of videos at hand where those of clips are not enough."""
    try:
        return _run(dataset, selector, dataset.clips_relation())
    except ConfigInvalidError as error:
        if not isinstance(error.__cause__, duckdb.BinderException):
            raise
    return _run(dataset, selector, dataset.clips_relation(of_video=None))


def _run(dataset: Dataset, selector: Selector, relation: duckdb.DuckDBPyRelation) -> Any:
    try:
        with dataset.reading():
            return selector.select(relation).to_arrow_table()
    except duckdb.Error as error:
        # Relations are lazy: a condition that reads well may still fail on the values.
        raise ConfigInvalidError(
            f"the selection cannot be used: {str(error).strip().splitlines()[0]}",
            hint=f"columns are: {', '.join(relation.columns)}",
        ) from error


def _facts(dataset: Dataset, ids: Any, recipe: SubsetRecipe) -> SubsetFacts:
    connection = dataset.connection
    connection.register("chosen", ids)
    try:
        row = connection.execute(
            "select count(*), (select count(*) from clips), coalesce(sum(duration_seconds), 0) "
            "from clips semi join chosen using (clip_id)"
        ).fetchall()[0]
    finally:
        connection.unregister("chosen")
    return {
        "clips": int(row[0]),
        "of": int(row[1]),
        "hours": round(float(row[2]) / 3600, 6),
        "recipe": recipe,
    }
