"""Sites that serve real videos, and fetches of them in milliseconds."""

from __future__ import annotations

import csv
import importlib.util
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

import internvid
from internvid.api.fetching import FetchSummary
from internvid.collect.fetching.fetch_settings import FetchSettings
from tests.collect.web_servers import Site, serving
from tests.media import write_video

QUICK = FetchSettings(
    allow_private=True,
    shortest_seconds=1.0,
    backoff_seconds=0.05,
    per_second=500.0,
    per_hour=3_600_000.0,
    slow_seconds=2.0,
    engine="http",
    workers=1,
)
"""No host on loopback has to be spared."""

needs_protego = pytest.mark.skipif(
    importlib.util.find_spec("protego") is None, reason="needs protego: internvid[collect]"
)
needs_yt_dlp = pytest.mark.skipif(
    importlib.util.find_spec("yt_dlp") is None, reason="needs yt-dlp: internvid[collect]"
)
Fetch = Callable[..., FetchSummary]


@pytest.fixture(scope="session")
def video(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Three seconds, 640 x 360."""
    path = tmp_path_factory.mktemp("served") / "video.mp4"
    return write_video(path, frames=30, size=(640, 360)).read_bytes()


@pytest.fixture
def site(video: bytes) -> Iterator[Site]:
    """A server with one video, `/video.mp4`."""
    with serving(Site(files={"/video.mp4": video})) as served:
        yield served


def write_table(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


@pytest.fixture
def fetch(site: Site, tmp_path: Path) -> Fetch:
    """Fetches paths of the site into `tmp_path / "fetched"`."""

    def call(*paths: str, settings: FetchSettings = QUICK, **options: Any) -> FetchSummary:
        table = tmp_path / "table.csv"
        if not table.exists():
            rows = [
                {"source_id": f"00{number}", "url": path if ":" in path else site.address + path}
                for number, path in enumerate(paths)
            ]
            write_table(table, rows)
        return internvid.fetch(table, tmp_path / "fetched", settings=settings, **options)

    return call


def rows_of(folder: Path) -> list[dict[str, Any]]:
    """Rows of the table that a fetch wrote."""
    return list(pq.read_table(folder / "table.parquet").to_pylist())
