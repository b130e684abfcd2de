"""Predicts a build's time and size by scanning the beginning of a few of its sources."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import av.error
import numpy as np

from internvid.core.errors import InternvidError
from internvid.dataset.sources.uris import uri_to_path
from internvid.pipeline.given.given_table import GivenInputs, open_given
from internvid.pipeline.recipe import Recipe
from internvid.pipeline.sources import Sources, find_sources, size_of
from internvid.scan.picks import StoredPick
from internvid.scan.scan import ScanRecipe, scan_video
from internvid.video.probe import main_video_stream, open_container, read_facts

PROBES = 50
SAMPLES = 3
SAMPLE_SECONDS = 20.0


class _Enough(Exception):
    """Ends a sample scan early."""


@dataclass(frozen=True)
class Forecast:
    """What a build of these sources with this recipe should cost.

    Attributes:
        video_hours: estimated from the probed sources' durations and sizes.
        cpu_seconds_per_hour: scan cost of one hour of this footage on this machine.
        bytes_per_hour: picks and timelines of one hour.
        longest_hours: the longest of the probed sources.
        source_bytes: of all files, estimated from the probed ones.
        given_rows: rows of tables that state clips of the sources.
        set_aside: rows of tables that name no file that is there.
    """

    sources: int
    probed: int
    unreadable: int
    video_hours: float
    measured_sources: int
    measured_seconds: float
    cpu_seconds_per_hour: float
    bytes_per_hour: float
    workers: int
    expected_seconds: float
    expected_bytes: float
    given_rows: int = 0
    set_aside: int = 0
    longest_hours: float = 0.0
    source_bytes: float = 0.0


def forecast(videos: Sequence[str] | GivenInputs, recipe: Recipe, workers: int) -> Forecast:
    """Probe up to 50 sources, scan up to 20 s of 3, and extrapolate."""
    recipe.check()
    with _sources_of(videos) as (sources, given_rows):
        return _forecast(sources, given_rows, recipe, workers)


def _forecast(sources: Sources, given_rows: int, recipe: Recipe, workers: int) -> Forecast:
    scan = recipe.complete_scan()
    uris = sources.table.column("uri").to_pylist()
    step = max(1, len(uris) // PROBES)
    probed = uris[::step]
    lengths = {uri: _claimed_seconds(uri) for uri in probed}
    usable = {uri: seconds for uri, seconds in lengths.items() if seconds}
    # Footage per source of those probed stands for the rest.
    total = sum(usable.values()) * len(uris) / max(1, len(probed))
    cpu, footage, size, count = 0.0, 0.0, 0, 0
    for uri in list(usable)[:: max(1, len(usable) // SAMPLES)][:SAMPLES]:
        measured = _sample(uri_to_path(uri), scan)
        if measured is not None:
            cpu, footage, size = cpu + measured[0], footage + measured[1], size + measured[2]
            count += 1
    per_second = cpu / footage if footage else 0.0
    return Forecast(
        sources=len(uris),
        probed=len(probed),
        unreadable=len(probed) - len(usable),
        video_hours=total / 3600,
        measured_sources=count,
        measured_seconds=footage,
        cpu_seconds_per_hour=per_second * 3600,
        bytes_per_hour=size / footage * 3600 if footage else 0.0,
        workers=workers,
        expected_seconds=per_second * total / max(1, min(workers, len(uris))),
        expected_bytes=size / footage * total if footage else 0.0,
        given_rows=given_rows,
        set_aside=sum(table.rows for table in sources.tables),
        longest_hours=max(usable.values(), default=0.0) / 3600,
        source_bytes=sum(map(size_of, usable)) * len(uris) / max(1, len(probed)),
    )


@contextlib.contextmanager
def _sources_of(videos: Sequence[str] | GivenInputs) -> Iterator[tuple[Sources, int]]:
    """The sources, and how many rows state clips of them."""
    if not isinstance(videos, GivenInputs):
        yield find_sources(videos), 0
        return
    with open_given(videos, None, keeps_unpacked=False) as table:
        yield table.sources, table.rows


def _claimed_seconds(uri: str) -> float | None:
    try:
        path = uri_to_path(uri)
        with open_container(path) as container:
            return read_facts(path, container, main_video_stream(container)).claimed_seconds
    except (InternvidError, OSError, av.error.FFmpegError):
        return None


def _sample(path: Path, scan: ScanRecipe) -> tuple[float, float, int] | None:
    """(CPU seconds, video seconds, bytes) of the beginning of one source."""
    reached, size = 0.0, 0
    row_bytes = sum(np.dtype(spec.dtype).itemsize for spec in scan.column_specs().values())

    def keep(pick: StoredPick) -> None:
        nonlocal size
        size += len(pick.jpeg)

    def progress(seconds: float, _claimed: float | None) -> None:
        nonlocal reached
        reached = seconds
        if seconds >= SAMPLE_SECONDS:
            raise _Enough

    started = time.process_time()
    with contextlib.suppress(_Enough, InternvidError):
        result = scan_video(path, scan, keep, progress, video_id="0" * 32)
        reached = result.timeline.duration_seconds
    if reached <= 0:
        return None
    # Rows compress to about two thirds; 30 frames a second is the usual rate.
    return time.process_time() - started, reached, size + int(reached * 30 * row_bytes * 0.65)
