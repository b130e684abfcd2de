"""What pages show is what the dataset holds, and what people record is kept."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import PIL.Image
import pytest

import internvid
from internvid.browse.server import clip_sets
from internvid.browse.server.clip.clip_facts import clip_page
from internvid.browse.server.conditions import read_query
from internvid.browse.server.desk import PAGE, ClipUnknownError, Desk
from internvid.browse.server.run_folders import remove_left_folders
from internvid.browse.server.subsets.subset_saving import literal_condition, save_subset
from internvid.dataset.answers.verdict_log import VerdictLog, log_path
from internvid.dataset.store import Dataset
from internvid.dataset.subset_files import subset_facts


@pytest.fixture
def desk(dataset: Dataset, tmp_path: Path) -> Iterator[Desk]:
    root = tmp_path / "data"
    shutil.copytree(dataset.root, root)
    made = Desk(internvid.open(root), tmp_path, "tester")
    made.table.build()
    yield made
    made.close()


def rows(desk: Desk, *fields: tuple[str, str], page: int = 0) -> list[dict[str, Any]]:
    return desk.page(read_query(fields, desk.table.facets), page)


@pytest.mark.parametrize(
    ("fields", "condition"),
    [
        ([], "kept"),
        ([("kept", "rejected")], "not kept"),
        ([("kept", "all")], "true"),
        ([("duration_seconds", "1.5..2.5")], "kept and duration_seconds between 1.5 and 2.5"),
        ([("duration_seconds", "2..")], "kept and duration_seconds >= 2"),
        ([("kept", "all"), ("reason", "slideshow,still")], "reason in ('slideshow', 'still')"),
        ([("kept", "all"), ("reason", "")], "reason = ''"),
        ([("is_dark", "yes")], "kept and is_dark"),
        (
            [("colour_names", "green,blue")],
            "kept and list_has_any(colour_names, ['green', 'blue'])",
        ),
        ([("measured~", "STATIC")], "kept and contains(lower(measured), 'static')"),
        ([("q", "camera pans")], "kept and contains(lower(measured), 'camera pans')"),
    ],
)
def test_filters_are_those_of_sql(
    desk: Desk, fields: list[tuple[str, str]], condition: str
) -> None:
    query = read_query(fields, desk.table.facets)
    found = desk.dataset.sql(f"select clip_id, duration_seconds from all_clips where {condition}")
    expected = dict(found.fetchall())
    shown = [row["clip_id"] for number in range(3) for row in desk.page(query, number)]
    assert set(shown) == set(expected)
    assert len(shown) == len(expected)
    totals = desk.table.totals(query)
    assert totals.clips == len(expected)
    assert totals.seconds == pytest.approx(sum(expected.values()), abs=0.01)


def test_clips_stand_in_the_order_of_their_sources_and_in_time(desk: Desk) -> None:
    shown = [(row["title"], row["start_seconds"]) for row in rows(desk, ("kept", "all"))]
    assert shown == sorted(shown)
    assert len({title for title, _ in shown}) > 2


def test_pages_follow_the_order_and_a_seed_shuffles(desk: Desk) -> None:
    lengths = [
        row["end_seconds"] - row["start_seconds"]
        for row in rows(desk, ("kept", "all"), ("sort", "-duration_seconds"))
    ]
    assert lengths == sorted(lengths, reverse=True)
    one = [row["clip_id"] for row in rows(desk, ("sort", "random"), ("seed", "1"))]
    again = [row["clip_id"] for row in rows(desk, ("sort", "random"), ("seed", "1"))]
    other = [row["clip_id"] for row in rows(desk, ("sort", "random"), ("seed", "2"))]
    assert one == again != other
    assert set(one) == set(other)
    total = desk.table.totals(read_query([("kept", "all")], desk.table.facets)).clips
    pages = [rows(desk, ("kept", "all"), page=number) for number in range(total // PAGE + 2)]
    assert sum(map(len, pages)) == total
    assert pages[-1] == []


def test_a_distribution_is_that_of_what_the_rest_shows(desk: Desk) -> None:
    facet = desk.table.facets["duration_seconds"]
    query = read_query([("duration_seconds", "2..3"), ("is_dark", "no")], desk.table.facets)
    drawn = desk.table.histogram(facet, query)
    found = desk.dataset.sql("select count(*) from clips where not is_dark").fetchall()
    assert sum(drawn.counts) == found[0][0]
    assert sum(drawn.all_counts) == len(desk.dataset.clips(rejected=True))
    values = dict(desk.table.values(desk.table.facets["is_dark"], query))
    assert values["no"] == desk.table.totals(query).clips


def test_a_clip_has_its_source_around_it(desk: Desk) -> None:
    clip_id = rows(desk)[0]["clip_id"]
    page = clip_page(desk, clip_id)
    row = desk.dataset.clip(clip_id)
    around = desk.dataset.sql(
        f"select clip_id from all_clips where video_id = '{row['video_id']}' order by start_pts"
    ).fetchall()
    assert [each["clip_id"] for each in page["clips"]] == [each for (each,) in around]
    assert page["row"]["measured"] == row["measured"]
    curves = {each["name"]: each["values"] for each in page["curves"]["columns"]}
    assert 0 < len(curves["luma_mean"]) == len(page["curves"]["times"]) <= 600
    assert json.dumps(page)


def test_pictures_are_those_that_are_stored(desk: Desk) -> None:
    clip_id = rows(desk)[0]["clip_id"]
    row = desk.clip(clip_id)
    stored = list(desk.dataset.jpegs(clip_id))
    picks = desk.media.picks(row)
    assert [seconds for _, seconds in picks] == [seconds for seconds, _ in stored]
    assert desk.media.picture(row["part"], row["video_id"], picks[0][0]) == stored[0][1]
    film = desk.media.film(row, 8)
    assert film is not None
    sheet = PIL.Image.open(io.BytesIO(film))
    first = PIL.Image.open(io.BytesIO(stored[0][1]))
    width = round(first.width * sheet.height / first.height)
    assert sheet.width == width * min(8, len(stored))


def test_a_clip_that_browsers_do_not_play_is_cut_anew_to_the_frame(desk: Desk) -> None:
    of_source = clip_page(desk, rows(desk)[0]["clip_id"])["clips"]
    # The last one ends with its source.
    for clip_id in (of_source[0]["clip_id"], of_source[-1]["clip_id"]):
        row = desk.clip(clip_id)
        data = desk.media.clip_file(row)
        assert data is not None
        with av.open(io.BytesIO(data)) as container:
            assert container.streams.video[0].codec_context.name == "h264"
            frames = sum(1 for _ in container.decode(video=0))
        assert frames == row["end_frame"] - row["start_frame"]


def test_verdicts_are_columns_that_selections_read(desk: Desk) -> None:
    ids = [row["clip_id"] for row in rows(desk)[:4]]
    log = desk.verdicts
    log.record(ids[0], "keep", "ann")
    log.record(ids[0], "reject", "bob")
    log.record(ids[1], "keep", "ann")
    log.record(ids[1], None, "ann")
    log.label(ids[2], ["3", "1", "3"], "ann")
    log.correct(ids[3], "measured", "a 'better' text", "ann")
    desk.refresh_verdicts()
    assert desk.review(ids[0])["verdict"] == "reject"
    assert desk.review(ids[1])["verdict"] is None
    data = desk.dataset
    data.refresh()
    found = {
        row["clip_id"]: row
        for row in data.clips().to_pylist()
        if row["verdict"] or row["verdict_labels"] or row["measured_corrected"]
    }
    assert set(found) == {ids[0], ids[2], ids[3]}
    assert found[ids[0]]["verdict"] == "reject"
    assert found[ids[2]]["verdict_labels"] == ["1", "3"]
    assert found[ids[3]]["measured_corrected"] == "a 'better' text"
    assert found[ids[3]]["measured"] != "a 'better' text"
    chosen = internvid.select(data, "where", "good", "verdict is distinct from 'reject'")
    assert chosen.clips == len(data) - 1


def test_a_line_that_a_kill_cut_off_is_passed_over_and_the_next_stands_alone(desk: Desk) -> None:
    ids = [row["clip_id"] for row in rows(desk)[:2]]
    desk.verdicts.record(ids[0], "keep", "ann")
    with log_path(desk.dataset.layout).open("ab") as file:
        file.write(b'{"clip_id": "' + ids[1].encode()[:9])
    desk.verdicts.record(ids[1], "reject", "ann")
    assert {name: each.verdict for name, each in desk.verdicts.read().items()} == {
        ids[0]: "keep",
        ids[1]: "reject",
    }
    desk.dataset.refresh()
    ((count,),) = desk.dataset.sql("select count(verdict) from clips").fetchall()
    assert count == 2


def test_two_that_review_at_once_lose_nothing(desk: Desk) -> None:
    ids = [row["clip_id"] for row in rows(desk)[:20]]
    script = (
        "import sys\nfrom internvid.dataset.answers.verdict_log import VerdictLog\n"
        "from internvid.dataset.layout import Layout\nfrom pathlib import Path\n"
        "log = VerdictLog(Layout(Path(sys.argv[1])))\n"
        "for clip in sys.argv[3:]:\n    log.label(clip, [sys.argv[2]], sys.argv[2])\n"
        "    log.record(clip, 'keep', sys.argv[2])\n"
    )
    root = str(desk.dataset.root)
    writers = [
        subprocess.Popen([sys.executable, "-c", script, root, name, *ids]) for name in ("1", "2")
    ]
    assert [writer.wait() for writer in writers] == [0, 0]
    lines = log_path(desk.dataset.layout).read_bytes().splitlines()
    assert len(lines) == 2 * 2 * len(ids)
    assert all(json.loads(line)["clip_id"] in ids for line in lines)


def test_what_is_shown_is_saved_as_a_subset(desk: Desk) -> None:
    fields = [("duration_seconds", "1.5..3"), ("measured~", "it's"), ("camera_move", "static,pan")]
    query = read_query(fields[:1] + fields[2:], desk.table.facets)
    saved = save_subset(desk, query, "found")
    shown = {row["clip_id"] for row in desk.page(query, 0)}
    assert saved["clips"] == len(shown) > 0
    assert set(desk.subset_places("found")) == shown
    assert "it''s" in literal_condition(read_query(fields, desk.table.facets))
    assert rows(desk, ("subset", "found"))
    assert desk.table.totals(read_query([("subset", "found")], desk.table.facets)).clips == len(
        shown
    )


def test_clips_that_are_not_in_a_subset_are_shown_and_saved(desk: Desk) -> None:
    facets = desk.table.facets
    long = save_subset(desk, read_query([("duration_seconds", "1.5..")], facets), "long")
    save_subset(desk, read_query([("duration_seconds", "2.5..")], facets), "longer")
    fields = [("subset", "long"), ("outside", "longer")]
    query = read_query(fields, facets)
    shown = {row["clip_id"] for row in desk.page(query, 0)}
    in_long, in_longer = (
        {row["clip_id"] for row in desk.page(read_query([("subset", name)], facets), 0)}
        for name in ("long", "longer")
    )
    assert in_longer
    assert shown == in_long - in_longer
    assert 0 < len(shown) < long["clips"]
    assert desk.table.totals(query).clips == len(shown)
    assert save_subset(desk, query, "between")["clips"] == len(shown)
    assert set(desk.subset_places("between")) == shown
    # The recipe holds wherever the dataset lies: its subsets are named, not their files.
    recipe = json.dumps(subset_facts(desk.dataset.layout, "between")["recipe"])
    assert str(desk.dataset.root) not in recipe
    copy = shutil.copytree(desk.dataset.root, desk.dataset.root.with_name("moved"))
    again = internvid.select(
        copy, "outside", "between", "longer", then=["where (kept)"], subset="long"
    )
    assert again.clips == len(shown)


def test_a_statement_outlives_the_searches_of_others(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    facets = desk.table.facets

    def search(text: str) -> tuple[str, list[Any]]:
        return desk.table.rows_of(read_query([("q", text)], facets))

    def sets() -> int:
        found = desk.table.cursor().execute(
            "select count(*) from duckdb_tables() where starts_with(table_name, 'set_')"
        )
        return int(found.fetchall()[0][0])

    rows, parameters = search("static")
    for number in range(40):
        search(f"nothing {number}")
    (count,) = desk.table.cursor().execute(f"select count(*) from {rows}", parameters).fetchall()
    assert count[0] > 0
    monkeypatch.setattr(clip_sets, "_GRACE_SECONDS", 0.0)
    search("one more")
    assert sets() == 24


def test_a_removal_leaves_nothing_of_a_clip_in_the_log(desk: Desk) -> None:
    one, other = rows(desk)[0], rows(desk)[-1]
    assert one["video_id"] != other["video_id"]
    desk.verdicts.record(one["clip_id"], "keep", "ann")
    desk.verdicts.correct(one["clip_id"], "measured", "secret words", "ann")
    desk.verdicts.record(other["clip_id"], "keep", "ann")
    done = internvid.remove(desk.dataset, one["video_id"])
    assert "verdicts" in done.purged
    data = log_path(desk.dataset.layout).read_bytes()
    assert one["clip_id"].encode() not in data
    assert b"secret words" not in data
    assert list(VerdictLog(desk.dataset.layout).read()) == [other["clip_id"]]


def test_what_is_removed_meanwhile_is_shown_no_more(desk: Desk) -> None:
    before = rows(desk)
    gone = before[0]
    assert desk.media.film(desk.clip(gone["clip_id"]), 1)
    internvid.remove(desk.dataset.root, videos=[gone["video_id"]])
    after = {row["clip_id"] for row in rows(desk)}
    assert after == {row["clip_id"] for row in before if row["video_id"] != gone["video_id"]}
    with pytest.raises(ClipUnknownError):
        desk.clip(gone["clip_id"])


def test_folders_of_killed_servers_are_removed_and_others_stay(tmp_path: Path) -> None:
    script = (
        "import sys, time; from internvid.browse.server.run_folders import run_folder\n"
        "with run_folder() as folder: print(folder, flush=True); time.sleep(60)"
    )
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, env=environment
        )
        for _ in range(2)
    ]
    folders = []
    for process in processes:
        assert process.stdout is not None
        folders.append(Path(process.stdout.readline().strip()))
    processes[0].kill()
    processes[0].wait()
    for folder in folders:
        os.utime(folder, (1, 1))
    remove_left_folders(tmp_path)
    assert [folder.exists() for folder in folders] == [False, True]
    processes[1].kill()
    for process in processes:
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def test_clips_by_their_verdicts_become_a_subset(desk: Desk) -> None:
    """Also where nobody had recorded a verdict when the dataset was last read."""
    _ = desk.dataset.connection
    ids = [row["clip_id"] for row in rows(desk)[:3]]
    # As another server does: this one only sees the log.
    log = VerdictLog(desk.dataset.layout)
    for clip_id in ids:
        log.record(clip_id, "keep", "ann")
    query = read_query([("verdict", "keep")], desk.table.facets)
    assert {row["clip_id"] for row in desk.page(query, 0)} == set(ids)
    assert save_subset(desk, query, "wanted")["clips"] == len(ids)
    found = internvid.open(desk.dataset.root).clips("wanted")
    assert set(found["clip_id"].to_pylist()) == set(ids)
