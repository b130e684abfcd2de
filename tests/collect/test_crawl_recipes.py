"""Named crawl rules: the paper's, and none."""

from __future__ import annotations

from pathlib import Path

import pytest

import internvid
from internvid.cli.app import main
from internvid.collect.crawl_recipes import RECIPES, crawl_rules
from internvid.collect.fetching.fetch_settings import FetchSettings
from internvid.core.errors import MisuseError
from tests.cli.speaking import Capture
from tests.collect.places_server import serving_places


def test_the_default_of_a_fetch_is_the_papers_recipe() -> None:
    assert FetchSettings() == FetchSettings(**vars(crawl_rules("internvid")))
    for rules in RECIPES.values():
        FetchSettings(**vars(rules)).check()


def test_a_recipe_decides_which_videos_are_candidates(tmp_path: Path) -> None:
    with serving_places() as server:
        feed = f"{server.address}/feed"  # a video of 70 s, and one of an hour
        usual = internvid.discover(feed, tmp_path / "a.parquet", allow_private=True)
        whole = internvid.discover(feed, tmp_path / "b.parquet", recipe="any", allow_private=True)
        own = internvid.discover(
            feed, tmp_path / "c.parquet", recipe="any", longest_seconds=60, allow_private=True
        )
    assert (usual.candidates, whole.candidates, own.candidates) == (1, 2, 0)


def test_an_unknown_recipe_is_refused(tmp_path: Path, capfd: Capture) -> None:
    with pytest.raises(MisuseError, match="no recipe of collecting"):
        crawl_rules("webvid")
    table = tmp_path / "t.csv"
    table.write_text("url\nhttp://127.0.0.1/x.mp4\n")
    assert main(["fetch", str(table), str(tmp_path / "out"), "--recipe", "webvid"]) == 2
    assert "internvid, any" in capfd.readouterr().err
    assert not (tmp_path / "out").exists()
