"""While a removal is pending, every reader passes over what it names."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import internvid
from internvid.core.errors import MisuseError
from internvid.dataset.layout import Layout
from internvid.dataset.removal.pending import PURGE, pending_removal, write_ids
from internvid.dataset.removal.resolving import Wanted, resolve
from internvid.publishing.exporters.webdataset import WebDatasetExporter
from internvid.publishing.publish import publish
from internvid.searching.query import open_search
from tests.publishing.test_webdataset import read_shards
from tests.removal.bytes import names_of, traces
from tests.removal.conftest import Desk


@pytest.fixture
def pending(desk: Desk) -> Desk:
    """As a removal leaves it that was killed right after its tombstone."""
    layout = Layout(desk.data)
    wanted = [Wanted("dan", (("video_id", desk.video("dan")),)),
              Wanted("ann", (("source_id", "film:ann"),)),
              Wanted("bob", (("uri", desk.uri("bob")),))]  # fmt: skip
    write_ids(layout, PURGE, resolve(layout, wanted).rows)
    return desk


def gone(desk: Desk) -> set[str]:
    return {*desk.clips("dan"), *desk.clips("ann")}


def test_views_and_lookups_show_nothing_of_them(pending: Desk) -> None:
    opened = internvid.open(pending.data)
    videos = {pending.video("dan"), pending.video("ann")}
    for view in ("videos", "clips", "all_clips", "timelines", "picks"):
        (found,) = zip(*opened.sql(f"select distinct video_id from {view}").fetchall(), strict=True)
        assert videos.isdisjoint(found), view
        # Another source has these bytes: the video is shown by that one.
        assert pending.video("bob") in found, view
    for column in ("echo", "told", "size", "closely", "vector"):
        for connection in (opened.connection, opened.unlocked()):
            rows = connection.sql(f"select clip_id from column_{column}").fetchall()
            assert rows
            assert gone(pending).isdisjoint(clip for (clip,) in rows), column
    assert [Path(row["uri"]).stem for row in opened.videos().to_pylist()] == [
        "cat", "eve", "lost", "same",
    ]  # fmt: skip
    assert opened.clips("only_dan").num_rows == 0
    assert gone(pending).isdisjoint(opened.clips("all")["clip_id"].to_pylist())
    assert opened.source_of(pending.video("dan")) == (None, {})
    with pytest.raises(MisuseError, match="no clip begins"):
        opened.clip(pending.clips("dan")[0])
    assert len(opened) == len(list(opened)) == internvid.status(pending.data)["clips"]


@pytest.mark.slow
def test_a_dataset_that_was_open_obeys_once_it_is_refreshed(pending: Desk) -> None:
    opened = internvid.open(pending.data)
    count = len(opened)
    internvid.remove(opened, pending.video("cat"))
    assert 0 < len(opened) < count


def test_status_and_audit_pass_over_them(pending: Desk) -> None:
    status = internvid.status(pending.data)
    assert (status["videos"]["ok"], status["videos"]["duplicate"]) == (2, 1)
    assert {column["pending"] for column in status["columns"]} == {0}
    for audited in internvid.audit(pending.data):
        assert audited.rows == status["clips"] or audited.column == "size"
        assert audited.broken == []
    assert internvid.describe(pending.data)["clips"] == status["clips"]


def test_search_passes_over_what_was_gathered_before(pending: Desk) -> None:
    opened = internvid.open(pending.data)
    hits = {hit.clip_id for hit in open_search(opened).by_vector(range(1, 7), 1000)}  # type: ignore[arg-type]
    assert hits == set(opened.clips()["clip_id"].to_pylist())


def test_exports_reports_and_packs_have_nothing_of_them(pending: Desk, tmp_path: Path) -> None:
    opened = internvid.open(pending.data)
    manifest = publish(opened, tmp_path / "out", WebDatasetExporter())
    assert manifest["clips"] == len(opened)
    names = [*names_of(pending, "dan", "ann"), pending.uri("bob")]
    assert traces(tmp_path / "out", names) == []
    for path in (pending.data / "subsets").glob("only_dan*"):
        path.unlink()  # its condition, which is the user's own text, names the video
    opened.refresh()
    page = internvid.write_report(opened, tmp_path / "report.html").read_text()
    assert [name for name in names if name in page] == []
    packed = internvid.ClipDataset(opened, "echo", cache=tmp_path / "pack")
    assert len(packed) == len(opened)
    assert read_shards(tmp_path / "out")


@pytest.mark.slow
def test_the_next_build_finishes_them_first(pending: Desk) -> None:
    summary = pending.build()
    assert summary.removed == 3
    assert pending_removal(Layout(pending.data)) is None
    assert traces(pending.data, names_of(pending, "dan", "ann")) == []
    assert traces(pending.data, [pending.uri("bob"), "film:bob"]) == []


def test_where_nothing_is_pending_nothing_is_read(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    import internvid.dataset.removal.pending as module

    def refuse(path: Path) -> None:
        raise AssertionError(path)

    monkeypatch.setattr(module, "read_ids", refuse)
    assert len(internvid.open(desk.data)) == internvid.status(desk.data)["clips"]
    internvid.remove(desk.data, uris=[])
    assert json.loads((desk.data / "dataset.json").read_text())
