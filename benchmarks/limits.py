"""The page of limits over many clips: what a move of a limit costs.

    python -m benchmarks.limits [--clips 20000000] [--threads 2] [--moves 20]

The table of narrow columns is made up: two numbers, one even and one with a long tail, that a
filter each has a limit of, a flag, and a reason for a tenth of the clips.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import duckdb

from internvid.browse.server.conditions import Facet
from internvid.browse.server.desk import Desk
from internvid.browse.server.review.limit_counts import LimitCounts
from internvid.browse.server.review.limit_rules import Limits

ROWS = """
create table narrow.clips as select *, reason is null as kept from (
    select (random() * 10)::float as even, exp(random() * 6)::float as tailed,
    random() < 0.03 as is_still, random() * 10 as internvid_seconds,
    case when random() < 0.9 then null when random() < 0.5 then 'short' else 'wild' end as reason
    from range({clips}))
"""


def rule(column: str, reason: str, **limits: float) -> dict[str, Any]:
    return {"fields": {"column": column, "reason": reason, **limits}}


def counts_over(connection: duckdb.DuckDBPyConnection) -> LimitCounts:
    """Limits over a made-up table."""
    filters = [
        rule("even", "short", minimum=1.0),
        rule("tailed", "wild", maximum=300.0),
        rule("is_still", "still", maximum=0),
    ]
    facets = {
        "even": Facet("even", "number"),
        "tailed": Facet("tailed", "number"),
        "is_still": Facet("is_still", "flag"),
    }
    dataset = SimpleNamespace(
        record=SimpleNamespace(cut="cut", cuts={"cut": {"fields": {"filters": filters}}}),
        connection=SimpleNamespace(cursor=connection.cursor),
    )
    connection.execute("create view all_clips as select even::double as even, "
                       "tailed::double as tailed, is_still from narrow.clips")  # fmt: skip
    table = SimpleNamespace(cursor=connection.cursor, facets=facets, places=lambda numbers: numbers)
    desk = SimpleNamespace(table=table, dataset=dataset, cards=lambda places: places)
    return LimitCounts(cast("Desk", desk))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--clips", type=int, default=20_000_000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--moves", type=int, default=20)
    options = parser.parse_args()
    drawing = random.Random(0)
    with tempfile.TemporaryDirectory() as folder:
        connection = duckdb.connect()
        connection.execute(f"set threads = {options.threads}; set memory_limit = '500MB'")
        connection.execute(f"set temp_directory = '{folder}'")
        connection.execute(f"attach '{Path(folder) / 'narrow.duckdb'}' as narrow")
        connection.execute(ROWS.format(clips=options.clips))
        counts = counts_over(connection)
        for at, low, high in ((0, 0.5, 9.5), (1, 1.5, 390.0)):
            known = counts.rules[at]
            facet = Facet(known.column, "number")

            def limits(value: float, facet=facet, known=known) -> Limits:
                return Limits(facet, value, None, known)

            started = time.perf_counter()
            counts.spread(limits(low))
            opened = time.perf_counter() - started
            moves, examples = [], []
            for _ in range(options.moves):
                wanted = limits(drawing.uniform(low, high))
                started = time.perf_counter()
                counts.left(wanted)
                moves.append(time.perf_counter() - started)
                started = time.perf_counter()
                counts.examples(wanted, "minimum")
                examples.append(time.perf_counter() - started)
            figures = {
                "column": known.column,
                "opened_seconds": round(opened, 2),
                "move_median_seconds": round(statistics.median(moves), 3),
                "move_most_seconds": round(max(moves), 3),
                "examples_median_seconds": round(statistics.median(examples), 3),
            }
            print(json.dumps(figures))


if __name__ == "__main__":
    main()
