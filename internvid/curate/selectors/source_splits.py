"""Train, validation and test by source video, near-duplicates on one side."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from internvid.core.errors import ConfigInvalidError
from internvid.curate.draws import drawn_query
from internvid.curate.duplicates.groups import joined
from internvid.curate.selectors.scratch_tables import new_table, over, run, run_one
from internvid.curate.selectors.verdict import Verdict, decided, of_sound
from internvid.curate.tables.keys import name_key_sql
from internvid.dataset.answers.column_views import quoted_name
from internvid.dataset.given import refuse_no_number

if TYPE_CHECKING:
    import duckdb

TRAIN, VALIDATION, TEST = "train", "val", "test"
DUPLICATE_GROUP = "duplicate_group"
_PART = "internvid_part"  # a name that no table has
_DRAWS = 2**64


@dataclass(frozen=True)
class Split:
    """One of train, val and test, which takes all clips of a source and of its near-duplicates.

    Each source has a number between 0 and 1 that depends on its id and the seed alone: the lowest
    are test, the next val, the rest train. Sources that a group of duplicates joins count by the
    lowest number among them. So with shares a source stays where it is when others are added, but
    for one case: a new duplicate may draw a group towards test, never away from it.

    Attributes:
        part: `train`, `val` or `test`.
        val: a share of the sources below 1, or the number of clips to reach.
        test: a share of the sources below 1, or the number of clips to reach. By a number the edge
            moves when sources are added.
        groups: column of duplicate groups, see `internvid dedup`; `duplicate_group` is not looked
            at where a table has none. Empty for none.
        seed: another one gives another split.
    """

    version: ClassVar[int] = 1
    part: str = TRAIN
    val: float = 0.05
    test: float = 0.05
    groups: str = DUPLICATE_GROUP
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what is no split.

        Raises:
            ConfigInvalidError: an unknown part, a negative number, or nothing left to train on.
        """
        if self.part not in (TRAIN, VALIDATION, TEST):
            raise ConfigInvalidError(f"part is train, val or test, not {self.part!r}")
        for name, amount in (("val", self.val), ("test", self.test)):
            refuse_no_number(amount, name)
            if not 0 <= amount < math.inf or (amount >= 1 and amount != round(amount)):
                raise ConfigInvalidError(
                    f"{name} is a share below 1 or a number of clips, got {amount}"
                )
        if sum(share for share in (self.val, self.test) if share < 1) >= 1:
            raise ConfigInvalidError(f"val {self.val} and test {self.test} leave nothing to train")

    def decide(self, table: duckdb.DuckDBPyRelation) -> Verdict:
        """Every row; the reason of those elsewhere is the name of the part that they are in."""
        return of_sound(table, self._decide)

    def _decide(self, table: duckdb.DuckDBPyRelation) -> Verdict:
        sides = part_of_sources(table, self)
        return decided(
            over(
                table,
                f"select input.*, nullif({_PART}, '{self.part}') as rejection from input "
                f"join {sides} side on input.source_id is not distinct from side.source_id",
            )
        )

    def select(self, table: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
        """Every row with its reason, see `decide`."""
        return self.decide(table).rows


def part_of_sources(table: duckdb.DuckDBPyRelation, split: Split) -> str:
    """Make a table of every source: `source_id` and the part; its name.

    Raises:
        ConfigInvalidError: a column of groups was named that is not there.
    """
    numbers = new_table("numbers")
    sources = (
        f"select *, {name_key_sql('source_id')} as source_key from "
        "(select source_id, count(*) as clips from input group by source_id)"
    )
    run(
        table,
        f"create temp table {numbers} as {drawn_query(sources, split.seed, 'source_key', 'place')}",
    )
    if split.groups not in ("", DUPLICATE_GROUP, *table.columns):
        raise ConfigInvalidError(
            f"there is no column {split.groups!r} of groups to keep together",
            hint=f"columns are: {', '.join(table.columns)}",
        )
    if split.groups in table.columns:
        _join_groups(table, split.groups, numbers)
    test_end = _end(table, numbers, split.test, 0)
    # A share is of all sources; val lies behind test.
    val_end = _end(table, numbers, split.val, test_end)
    sides = new_table("sides")
    run(
        table,
        f"create temp table {sides} as select source_id, case when place < {test_end}::uhugeint "
        f"then '{TEST}' when place < {val_end}::uhugeint then '{VALIDATION}' else '{TRAIN}' end "
        f"as {_PART} from {numbers}",
    )
    return sides


def _end(table: duckdb.DuckDBPyRelation, numbers: str, amount: float, start: int) -> int:
    """The place at which a part ends that begins at `start`."""
    if amount < 1:
        return min(_DRAWS, start + round(amount * _DRAWS))
    (place,) = run_one(
        table,
        f"select min(place) from (select place, sum(sum(clips)) over (order by place) as reached "
        f"from {numbers} where place >= {start}::uhugeint group by place) "
        f"where reached >= {amount}",
    )
    return _DRAWS if place is None else int(place) + 1


def _join_groups(table: duckdb.DuckDBPyRelation, groups: str, numbers: str) -> None:
    """Give all sources that groups connect the lowest of their places."""
    pairs = over(
        table,
        f"select distinct source_id, {quoted_name(groups)}::varchar from input "
        f"where {quoted_name(groups)} is not null and source_id is not null",
    ).fetchall()
    # Sources and groups are numbered together: what pairs connect has one lowest number.
    nodes: dict[tuple[str, str], int] = {}
    edges = [
        (
            nodes.setdefault(("source", source), len(nodes)),
            nodes.setdefault(("group", group), len(nodes)),
        )
        for source, group in pairs
    ]
    families = joined(len(nodes), edges)
    sources = [(name, families[at]) for (kind, name), at in nodes.items() if kind == "source"]
    if not sources:
        return
    of_family = new_table("families")
    run(table, f"create temp table {of_family} (source_id varchar, family bigint)")
    for at in range(0, len(sources), 1000):
        values = ", ".join(f"({_text(name)}, {one})" for name, one in sources[at : at + 1000])
        run(table, f"insert into {of_family} values {values}")
    run(
        table,
        f"update {numbers} set place = lowest from (select of_family.source_id, min(place) over "
        f"(partition by family) as lowest from {of_family} of_family join {numbers} own "
        f"using (source_id)) found where found.source_id = {numbers}.source_id",
    )


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
