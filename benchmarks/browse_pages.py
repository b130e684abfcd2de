"""Seconds that pages of `internvid browse` take at one, twenty and two hundred million clips.

    python -m benchmarks.browse_pages --folder TMP [--rows 1e6 2e7 2e8] [--json FILE]

Datasets are made on the spot (`large_dataset.py`), unless they are in the folder. The server is
`internvid browse` as a user starts it; requests are those of the grid, over its port. *First page*
counts from the start of the process; later figures are taken when all columns are copied. Before
a second page somebody looks at the first. Peak memory is the server's (VmHWM, Linux).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.page_server import Server, parser_of, report

_SLIDERS = "duration_seconds=1.5..3&motion_mean=0.3..0.7"
_PAGES = {
    "page 1": "page=1",
    "page 2": "page=2",
    "page 50": "page=50",
    "page 10,000": "page=10000",
    "sorted": "sort=-motion_mean",
    "sorted, page 2": "sort=-motion_mean&page=2",
    "sorted, page 50": "sort=-motion_mean&page=50",
    "random": "sort=random&seed=7",
    "random, page 2": "sort=random&seed=7&page=2",
    "substring": "q=house+number+4711.",
    "substring of many": "q=camera+pans",
    "sliders": _SLIDERS,
    "other sliders": _SLIDERS.replace("0.7", "0.6"),
}
# The next page is read while somebody looks at this one.
_LOOK_SECONDS = 1.5
_FACETS = ("reason", "duration_seconds", "motion_mean", "camera_move", "is_still")


def measure(root: Path) -> dict[str, float]:
    """Seconds of each page, and the peak memory in MB."""
    server, found = Server(root), {}
    try:
        server.ask("/api/clips?")
        found["first page"] = time.perf_counter() - server.begun
        totals, _ = server.ask("/api/totals?")
        found["first count"] = time.perf_counter() - server.begun
        while totals["copied"] < 1:
            time.sleep(0.2)
            totals, _ = server.ask("/api/totals?")
        found["all counted"] = time.perf_counter() - server.begun
        for name, query in _PAGES.items():
            if name.endswith("page 2"):
                time.sleep(_LOOK_SECONDS)
            (page, found[name]) = server.ask(f"/api/clips?{query}")
            assert page["clips"], name
        for name in ("sliders", "other sliders"):
            query = _PAGES[name]
            _, found[f"{name}: count"] = server.ask(f"/api/totals?{query}")
            for facet in _FACETS:
                _, found[f"{name}: {facet}"] = server.ask(f"/api/facets/{facet}?{query}")
        page, _ = server.ask("/api/clips?sort=random&seed=99")
        clip = page["clips"][-1]["clip_id"]
        _, found["page of a clip"] = server.ask(f"/api/clip/{clip}")
        found["peak MB"] = server.peak_mb
    finally:
        server.stop()
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark as the command line says."""
    report(parser_of(__doc__, [1e6, 2e7, 2e8]).parse_args(arguments), measure)


if __name__ == "__main__":
    main()
