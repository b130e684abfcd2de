"""What is removed is gone from every byte, and everything else stays as it was."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import internvid
from internvid.browse import report
from internvid.core.errors import DatasetFormatError, MisuseError, StorageError
from internvid.dataset.layout import Layout
from internvid.dataset.removal import purge_plan
from internvid.pipeline.build import build
from internvid.pipeline.scanning import ScanTask, scan_source
from internvid.searching.query import open_search
from tests.cli.speaking import Capture, read_json, spoken
from tests.docs.manual import PACKAGE
from tests.media import write_video
from tests.removal.bytes import names_of, traces
from tests.removal.conftest import Desk, small
from tests.trees import digest_tree


def test_the_search_for_traces_sees_them(desk: Desk) -> None:
    seen = {line.partition(": ")[0] for line in traces(desk.data, names_of(desk, "dan"))}
    rooms = {name.split("/")[0] for name in seen}
    assert rooms >= {"sources", "scans", "cuts", "runs", "search", "subsets", "inside"}
    assert any("pick_sets" in name for name in seen)
    assert any(".g001." in name for name in traces_of_all(desk))
    assert traces(desk.root / "tars", names_of(desk, "dan"))
    assert traces(desk.root / "frames", names_of(desk, "dan"))


def traces_of_all(desk: Desk) -> list[str]:
    return traces(desk.data, names_of(desk, "ann", "bob", "cat", "dan", "eve"))


def test_no_byte_of_a_removed_video_is_left(desk: Desk, capsys: Capture) -> None:
    before = {row["clip_id"]: row for row in internvid.open(desk.data).clips().to_pylist()}
    gone = [clip for clip, row in before.items() if row["video_id"] == desk.video("dan")]
    done = read_json(capsys, "remove", desk.data, "--video", desk.video("dan"))
    assert list(done)[:3] == ["removed_clips", "removed_videos", "purged"]
    assert (done["removed_clips"], done["removed_videos"]) == (len(gone), 1)
    assert done["removed_clip_ids"] == len(set(desk.clips("dan"))) > len(gone)
    assert done["bytes_freed"] > 0
    assert {copy["action"] for copy in done["copies"]} == {"purged"}
    for folder in (desk.data, desk.root / "tars", desk.root / "frames"):
        assert traces(folder, names_of(desk, "dan")) == []
    left = {row["clip_id"]: row for row in internvid.open(desk.data).clips().to_pylist()}
    assert left == {clip: row for clip, row in before.items() if clip not in gone}
    for audited in internvid.audit(desk.data):
        assert (audited.rows, audited.broken) == (len(left), []) or audited.column == "size"
        assert audited.broken == []
    facts = json.loads((desk.data / "subsets" / "all.json").read_text())
    assert (facts["clips"], facts["of"]) == (len(left), len(left))
    assert facts["hours"] == pytest.approx(
        sum(row["duration_seconds"] for row in left.values()) / 3600, abs=2e-6
    )
    assert internvid.open(desk.data).clips("only_dan").num_rows == 0
    assert not (desk.data / "report.html").exists()
    assert not (desk.data / "removals" / "pending").exists()


@pytest.mark.slow
def test_what_loses_nothing_is_not_touched_and_the_rest_is_as_if_it_had_never_been(
    tmp_path: Path,
) -> None:
    """Built without the video, a dataset has the very bytes that a removal leaves."""
    videos = [write_video(tmp_path / f"{name}.mp4", level=40 + 30 * at, frames=50, seed=at)
              for at, name in enumerate("abc")]  # fmt: skip
    build([*map(str, videos)], tmp_path / "with", small(), workers=1)
    build([str(videos[0]), str(videos[2])], tmp_path / "without", small(), workers=1)
    rows = internvid.open(tmp_path / "with").videos().to_pylist()
    internvid.remove(tmp_path / "with", rows[1]["video_id"])
    with_it, without = digest_tree(tmp_path / "with"), digest_tree(tmp_path / "without")
    assert {name: with_it[name] for name in without} == without
    assert {name.split("/")[0] for name in set(with_it) - set(without)} == {"removals"}


def test_parts_without_a_removed_video_keep_their_very_files(desk: Desk) -> None:
    parts = {path: path.stat() for path in desk.data.rglob("part-00000*.parquet")}
    internvid.remove(desk.data, desk.video("dan"))  # it lies in part-00001
    assert parts
    for path, facts in parts.items():
        now = path.stat()
        assert (now.st_ino, now.st_mtime_ns) == (facts.st_ino, facts.st_mtime_ns), path


def test_a_build_after_it_reads_nothing_and_changes_nothing(desk: Desk) -> None:
    internvid.remove(desk.data, sources="film:cat")
    before = digest_tree(desk.data)
    summary = desk.build()
    assert (summary.scanned, summary.removed) == (0, 1)
    assert summary.notes[-1] == "sources passed over because they were removed: 1"
    after = digest_tree(desk.data)
    assert after == before
    assert traces(desk.data, names_of(desk, "cat")) == []


def test_the_record_is_right_and_can_be_made_again(desk: Desk) -> None:
    internvid.remove(desk.data, [desk.video("cat"), desk.video("dan")])  # a part that gets empty
    record = json.loads((desk.data / "dataset.json").read_text())
    counts = {part["name"]: part["sources"] for part in record["parts"]}
    for name, count in counts.items():
        assert pq.read_metadata(desk.data / "sources" / f"{name}.parquet").num_rows == count
    assert counts["part-00001"] == 0
    (desk.data / "dataset.json").write_text("{")
    internvid.repair(desk.data)
    assert json.loads((desk.data / "dataset.json").read_text()) == record
    (desk.data / "dataset.json.damaged").unlink()
    before = digest_tree(desk.data)
    desk.build()
    assert digest_tree(desk.data) == before


@pytest.mark.slow
def test_removed_bytes_under_another_name_are_found_by_their_hash(desk: Desk) -> None:
    internvid.remove(desk.data, desk.video("eve"))
    other = desk.root / "other.mp4"
    shutil.copyfile(desk.uri("eve"), other)
    for _ in range(2):
        summary = build([str(other)], desk.data, small(), workers=1)
        assert summary.removed == 1
    assert internvid.status(desk.data)["videos"]["removed"] == 1
    (row,) = [each for each in internvid.open(desk.data).videos().to_pylist()
              if each["uri"] == str(other)]  # fmt: skip
    assert (row["status"], row["video_id"], row["source_id"]) == ("removed", None, None)
    assert traces(desk.data, names_of(desk, "eve")) == []


@pytest.mark.slow
def test_what_is_forgotten_is_built_again(desk: Desk, capsys: Capture) -> None:
    kept = len(internvid.open(desk.data))
    other = desk.root / "other.mp4"
    shutil.copyfile(desk.uri("eve"), other)
    internvid.remove(desk.data, desk.video("eve"))
    build([str(other)], desk.data, small(), workers=1)
    done = read_json(capsys, "remove", desk.data, "--forget", desk.video("eve"))
    assert done["forgotten"] >= 2
    assert desk.build().clips == kept
    summary = build([str(other)], desk.data, small(), workers=1, retry=True)
    assert (summary.removed, summary.duplicates) == (0, 2)
    internvid.remove(desk.data, sources="film:ann")
    with pytest.raises(MisuseError, match="together with its whole source"):
        internvid.remove(desk.data, forget=desk.video("ann"))
    with pytest.raises(MisuseError, match="is not among what was removed"):
        internvid.remove(desk.data, forget="film:dan")


@pytest.mark.slow
def test_a_video_goes_with_all_sources_of_its_bytes(desk: Desk) -> None:
    done = internvid.remove(desk.data, desk.video("bob"))
    assert (done.removed_videos, done.removed_sources) == (1, 2)
    assert traces(desk.data, [*names_of(desk, "bob"), *names_of(desk, "same")]) == []
    assert desk.build().removed == 2


@pytest.mark.slow
def test_a_uri_goes_alone_where_another_source_has_the_bytes(desk: Desk, capsys: Capture) -> None:
    kept = len(internvid.open(desk.data))
    code, out, err = spoken(capsys, "remove", desk.data, "--uri", desk.uri("bob"))
    assert (code, out.splitlines()[0]) == (0, "removed   0 videos of 1 sources, 0 clips")
    assert f"1 other sources have the bytes of {desk.uri('bob')}: the video stays; " in err
    assert f"--video {desk.video('bob')} removes it with all of them" in err
    gone = [desk.uri("bob"), "bob.mp4", "film:bob", "of bob"]
    for folder in (desk.data, desk.root / "tars", desk.root / "frames"):
        assert traces(folder, gone) == []
    rows = {Path(row["uri"]).stem: row for row in internvid.open(desk.data).videos().to_pylist()}
    same = rows["same"]
    assert (same["status"], same["video_id"], same["note"]) == ("ok", desk.video("bob"), "of same")
    assert (same["source_id"], same["file_bytes"], same["error"]) == (
        "film:same", Path(desk.uri("same")).stat().st_size, None
    )  # fmt: skip
    opened = internvid.open(desk.data)
    assert len(opened) == kept
    sources = opened.sql(
        f"select distinct source_id from clips where video_id = '{desk.video('bob')}'"
    )
    assert sources.fetchall() == [("film:same",)]
    assert all(audited.broken == [] for audited in internvid.audit(desk.data))
    before = digest_tree(desk.data)
    assert desk.build().removed == 1
    assert digest_tree(desk.data) == before
    # A third cut still finds the video where its pictures lie.
    assert desk.build(3.0).videos == 5 - 0
    assert internvid.open(desk.data).sql(
        f"select count(*) > 0 from clips where video_id = '{desk.video('bob')}'"
    ).fetchall() == [(True,)]
    # Together with the last other one it goes.
    assert internvid.remove(desk.data, uris=desk.uri("same")).removed_videos == 1
    assert traces(desk.data, [*names_of(desk, "bob"), *names_of(desk, "same")]) == []


@pytest.mark.slow
def test_a_file_that_was_replaced_keeps_its_new_bytes(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", level=40, seed=1)
    other = write_video(tmp_path / "b.mp4", level=140, seed=2)
    build([str(path), str(other)], tmp_path / "data", small(), workers=1)
    (old,) = [row["video_id"] for row in internvid.open(tmp_path / "data").videos().to_pylist()
              if row["uri"] == str(path)]  # fmt: skip
    write_video(path, level=90, seed=3)
    build([str(path), str(other)], tmp_path / "data", small(), workers=1)
    kept = len(internvid.open(tmp_path / "data"))
    internvid.remove(tmp_path / "data", old)
    assert traces(tmp_path / "data", [old]) == []
    assert len(internvid.open(tmp_path / "data")) == kept
    before = digest_tree(tmp_path / "data")
    summary = build([str(path), str(other)], tmp_path / "data", small(), workers=1)
    assert (summary.removed, summary.scanned) == (0, 0)
    assert digest_tree(tmp_path / "data") == before
    # With its uri every version of it goes.
    internvid.remove(tmp_path / "data", uris=str(path))
    assert traces(tmp_path / "data", [str(path), "a.mp4"]) == []


def test_a_source_that_failed_can_be_removed_too(desk: Desk) -> None:
    assert traces(desk.data, [desk.uri("lost")])
    done = internvid.remove(desk.data, uris=desk.uri("lost"))
    assert (done.removed_videos, done.removed_sources) == (0, 1)
    assert traces(desk.data, names_of(desk, "lost")) == []
    assert internvid.status(desk.data)["failures"] == []


def test_a_plan_changes_nothing_and_says_what_a_removal_does(desk: Desk, capsys: Capture) -> None:
    before = digest_tree(desk.root)
    plan = read_json(capsys, "remove", desk.data, "--video", desk.video("cat"), "--plan")
    code, out, _ = spoken(capsys, "remove", desk.data, "--video", desk.video("cat"), "--plan")
    assert code == 0
    assert f"would remove  1 videos of 1 sources, {plan['removed_clips']} clips" in out
    assert digest_tree(desk.root) == before
    done = read_json(capsys, "remove", desk.data, "--video", desk.video("cat"))
    for name in ("removed_clips", "removed_videos", "purged", "removed_sources", "copies"):
        assert plan[name] == done[name], name
    assert len(plan["files"]) == done["files"]


def test_removed_twice_is_removed_once(desk: Desk, capsys: Capture) -> None:
    read_json(capsys, "remove", desk.data, "--video", desk.video("cat"))
    before = digest_tree(desk.data)
    done = read_json(capsys, "remove", desk.data, "--video", desk.video("cat"))
    assert (done["removed_videos"], done["already"], done["purged"]) == (0, 1, [])
    assert read_json(capsys, "remove", desk.data)["removed_videos"] == 0
    assert digest_tree(desk.data) == before


def test_an_unknown_id_is_named_and_nothing_is_removed(desk: Desk, capsys: Capture) -> None:
    before = digest_tree(desk.root)
    nobody = "f" * 32
    code, out, err = spoken(
        capsys, "remove", desk.data, "--video", nobody, "--video", desk.video("cat")
    )
    assert (code, out) == (2, "")
    assert f"has nothing of '{nobody}'; nothing was removed" in err
    assert "--ignore-missing" in err
    for wrong in (["--video", "cat"], ["--video", ""], ["--uri", ""], ["--table", "nowhere.csv"]):
        assert spoken(capsys, "remove", desk.data, *wrong)[0] == 2
    assert digest_tree(desk.root) == before
    done = read_json(
        capsys, "remove", desk.data, "--video", nobody, "--video", desk.video("cat"),
        "--ignore-missing",
    )  # fmt: skip
    assert (done["unknown"], done["removed_videos"]) == ([nobody], 1)
    assert traces(desk.data, [nobody]) == []


def test_a_folder_that_is_no_dataset_or_an_older_one_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetFormatError, match="is not a dataset"):
        internvid.remove(tmp_path / "nothing", "0" * 32)
    assert not (tmp_path / "nothing").exists()
    (tmp_path / "dataset.json").write_text('{"format": "internvid-dataset", "format_version": 1}')
    with pytest.raises(DatasetFormatError, match="has format version 1"):
        internvid.remove(tmp_path, "0" * 32)
    assert [path.name for path in tmp_path.iterdir()] == ["dataset.json"]


def test_a_folder_that_cannot_be_written_to_stays_and_says_so(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The administrator may write anywhere, so the system's refusal is put in its place."""
    before = digest_tree(desk.data)
    real = os.open

    def refusing(path: object, flags: int, *rest: int, **named: object) -> int:
        if str(path).startswith(str(desk.data)) and flags & (os.O_WRONLY | os.O_RDWR):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, flags, *rest, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "open", refusing)
    with pytest.raises(StorageError, match="permission denied"):
        internvid.remove(desk.data, desk.video("cat"))
    monkeypatch.undo()
    assert digest_tree(desk.data) == before


@pytest.mark.slow
def test_the_stages_of_a_part_that_is_not_whole_are_kept_but_for_removed_ones(
    tmp_path: Path,
) -> None:
    """As a build leaves them that was killed before its part was whole."""
    videos = [write_video(tmp_path / f"{name}.mp4", level=40 + 30 * at, frames=50, seed=at)
              for at, name in enumerate("abcd")]  # fmt: skip
    build([*map(str, videos)], tmp_path / "data", small(), workers=1)
    expected = tmp_path / "expected"
    build([str(videos[0]), str(videos[2]), str(videos[3])], expected, small(), workers=1)
    # The stages, made again from what one video each leaves.
    layout = Layout(tmp_path / "data")
    scan = layout.read_record().scan
    assert scan is not None
    stage = layout.staged(scan, "part-00000")
    recipe = small().complete_scan()
    for at in (1, 2):
        scan_source(ScanTask(str(videos[at]), stage / f"{at:05d}", recipe), lambda _: None)
    layout.scanned(scan, "videos", "part-00000").unlink()
    stamps = {path.stat().st_ino for path in stage.glob("00002*")}
    removed = json.loads((stage / "00001.json").read_text())["video_id"]
    done = internvid.remove(tmp_path / "data", removed)
    assert done.removed_sources == 1
    assert {path.stat().st_ino for path in stage.iterdir()} == stamps
    token = json.loads((stage / "00001.json").read_text())["token"]
    assert sorted(path.name for path in stage.iterdir()) == sorted(
        ["00001.json", f"00001.{token}.picks", f"00001.{token}.timeline"]
    )
    assert traces(tmp_path / "data", [removed, "b.mp4"]) == []
    assert build([*map(str, videos)], tmp_path / "data", small(), workers=1).scanned == 2
    left, without = digest_tree(tmp_path / "data"), digest_tree(expected)
    assert {name: left[name] for name in without} == without


def test_search_finds_nothing_of_it_and_is_made_anew(desk: Desk) -> None:
    internvid.remove(desk.data, desk.video("dan"))
    search = open_search(internvid.open(desk.data))
    hits = {hit.clip_id for hit in search.by_vector(range(1, 7), 1000)}  # type: ignore[arg-type]
    assert hits == set(internvid.open(desk.data).clips()["clip_id"].to_pylist())
    assert traces(desk.data, names_of(desk, "dan")) == []


def test_other_files_in_the_folder_are_named_and_left(desk: Desk, capsys: Capture) -> None:
    mine = desk.data / "notes" / "mine.txt"
    mine.parent.mkdir()
    mine.write_text(f"look at {desk.video('dan')}")
    done = read_json(capsys, "remove", desk.data, "--video", desk.video("dan"))
    assert done["left"] == [str(mine)]
    assert mine.exists()


@pytest.mark.slow
def test_a_dataset_of_which_everything_was_removed_is_still_one(
    tmp_path: Path, capsys: Capture
) -> None:
    path = write_video(tmp_path / "a.mp4", seed=1)
    build([str(path)], tmp_path / "data", small(), workers=1)
    internvid.remove(tmp_path / "data", uris=str(path))
    before = digest_tree(tmp_path / "data")
    assert build([str(path)], tmp_path / "data", small(), workers=1).removed == 1
    assert digest_tree(tmp_path / "data") == before
    opened = internvid.open(tmp_path / "data")
    assert (len(opened), opened.videos().num_rows, list(opened)) == (0, 0, [])
    assert internvid.describe(opened)["clips"] == 0
    assert spoken(capsys, "report", tmp_path / "data")[0] == 0
    assert spoken(capsys, "status", tmp_path / "data")[0] == 0
    assert all(audited.rows == 0 for audited in internvid.audit(opened))
    # It goes on with other videos.
    other = write_video(tmp_path / "b.mp4", seed=2, level=150)
    assert build([str(other)], tmp_path / "data", small(), workers=1).videos == 1


def test_whoever_writes_finishes_removals_first() -> None:
    """The bare lock is for what makes a dataset readable again."""
    allowed = {"dataset/removal/purging.py", "pipeline/repair.py"}
    using = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        if ".locked()" in path.read_text("utf-8")
    }
    assert using == allowed


def test_a_report_is_known_by_its_mark() -> None:
    assert purge_plan.REPORT_MARK == report.MARK
