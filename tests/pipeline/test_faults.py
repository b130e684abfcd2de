"""One bad source, one bad worker, one full disk: what they cost, and what goes on."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import internvid
from internvid.core.errors import ConfigInvalidError, DependencyMissingError, StorageError
from internvid.dataset.layout import Layout
from internvid.pipeline.build import build
from internvid.pipeline.recipe import Recipe
from internvid.run.executor import LocalExecutor
from internvid.scan.scan import ScanRecipe
from tests.leftovers import leftover
from tests.media import write_video, write_videos
from tests.pipeline.strangers import Trap, Unloadable
from tests.trees import digest_tree

ENVIRONMENT = {
    **os.environ,
    "PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path),
}


def start(*arguments: object, **options: Any) -> subprocess.Popen[str]:
    """`internvid ARGUMENTS` in a process of its own."""
    command = [sys.executable, "-m", "internvid", *map(str, arguments)]
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
        **options,
    )


def run(*arguments: object) -> int:
    """The exit code of `internvid ARGUMENTS`."""
    process = start(*arguments)
    process.communicate(timeout=120)
    return process.returncode


def rows_by_name(dataset: Path) -> dict[str, dict[str, Any]]:
    rows = internvid.open(dataset).videos().to_pylist()
    return {os.path.basename(row["uri"]): row for row in rows}


def trapped(recipe: Recipe, harm: str) -> Recipe:
    return dataclasses.replace(recipe, scan=ScanRecipe(observers=("content", "luma", Trap(harm))))


@pytest.fixture(scope="module")
def with_white(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three dark videos and a white one."""
    folder = tmp_path_factory.mktemp("white")
    write_videos(folder, 3)
    write_video(folder / "white.mp4", level=250)
    return folder


# Only for what hangs, and long enough for a healthy worker to start on a busy machine.
PATIENCE = {"spin": {"hang_cpu_seconds": 2.5}, "sleep": {"hang_wall_seconds": 8.0}}


@pytest.mark.parametrize(
    ("harm", "reason", "words"),
    [
        ("exit", "crashed", "exit code 7"),
        ("crash", "crashed", "SIGSEGV"),
        pytest.param("spin", "hung", "no progress", marks=pytest.mark.slow),
        ("sleep", "hung", "no progress"),
        ("memory", "out_of_memory", "memory"),
        ("reading", "unreadable", "PermissionError"),
    ],
)
def test_a_deadly_source_costs_itself_alone_and_the_same_row_each_time(
    harm: str,
    reason: str,
    words: str,
    with_white: Path,
    recipe: Recipe,
    tmp_path: Path,
) -> None:
    executor = LocalExecutor(2, **PATIENCE.get(harm, {}))
    summary = build([str(with_white)], tmp_path / "one", trapped(recipe, harm), executor=executor)
    assert (summary.videos, summary.failures) == (3, 1)
    row = rows_by_name(tmp_path / "one")["white.mp4"]
    assert (row["status"], row["reason"]) == ("failed", reason)
    assert words in row["error"]
    assert row["video_id"]
    if harm in ("crash", "spin"):
        executor = LocalExecutor(1, **PATIENCE.get(harm, {}))
        build([str(with_white)], tmp_path / "two", trapped(recipe, harm), executor=executor)
        assert digest_tree(tmp_path / "one") == digest_tree(tmp_path / "two")


def test_trouble_that_is_no_source_s_fault_stops_the_run(
    with_white: Path, recipe: Recipe, tmp_path: Path
) -> None:
    with pytest.raises(DependencyMissingError, match="nothing"):
        build([str(with_white)], tmp_path / "data", trapped(recipe, "package"), workers=1)
    strange = dataclasses.replace(recipe, captioners={"strange": Unloadable()})
    with pytest.raises(ConfigInvalidError, match=r"module_of_a_notebook"):
        list(LocalExecutor().map(print, [strange]))
    with pytest.raises(ConfigInvalidError, match="cannot be sent"):
        list(LocalExecutor().map(print, [lambda: 0]))


def test_a_retried_source_is_counted_once(recipe: Recipe, tmp_path: Path) -> None:
    source = tmp_path / "late.mp4"
    source.write_bytes(b"not yet" * 100)
    assert build([str(source)], tmp_path / "data", recipe, workers=1).failures == 1
    write_video(source)
    summary = build([str(source)], tmp_path / "data", recipe, workers=1, retry=True)
    assert (summary.videos, summary.failures) == (1, 0)


def test_pipes_devices_links_and_folders_never_block(recipe: Recipe, tmp_path: Path) -> None:
    inside = tmp_path / "in"
    good = write_video(inside / "-good: http:x <script>'\"\n.mp4")
    os.mkfifo(inside / "pipe.mp4")
    (inside / "loop.mp4").symlink_to("loop.mp4")
    (inside / "dangling.mp4").symlink_to("nowhere.mp4")
    (inside / "again.mp4").symlink_to(good.name)
    (inside / "zero.mp4").symlink_to("/dev/zero")
    (inside / "folder.mp4").mkdir()
    write_video(inside / "folder.mp4" / ("é" * 100 + ".mp4"), seed=1)
    write_video(inside / "folder.mp4" / "cafe\u0301.mp4", seed=2)
    write_video(inside / "folder.mp4" / "caf\u00e9.mp4", seed=3)
    hidden = os.fsencode(inside) + b"/caf\xe9.mp4"
    os.rename(write_video(tmp_path / "x.mp4", seed=4), hidden)
    table = tmp_path / "list.csv"
    lines = ["uri,filename", "/dev/zero,a", f"{inside / 'folder.mp4'},b", "a://b/c.mp4,c"]
    table.write_text("\n".join([*lines, f"{'n' * 300}.mp4,d"]) + "\n")
    summary = build([str(inside), str(table)], tmp_path / "data", recipe, workers=2)
    dataset = internvid.open(tmp_path / "data")
    found = {row["uri"]: (row["status"], row["reason"]) for row in dataset.videos().to_pylist()}
    reasons = {os.path.basename(uri): reason for uri, (_, reason) in found.items()}
    assert reasons["pipe.mp4"] == reasons["zero.mp4"] == "not_a_file"
    assert found["/dev/zero"] == ("failed", "not_a_file")
    assert reasons["folder.mp4"] == "not_media"
    assert reasons["loop.mp4"] == "unreadable"
    assert reasons["dangling.mp4"] == "missing"
    assert reasons["c.mp4"] == "unsupported"
    assert sum(status == "duplicate" for status, _ in found.values()) == 1
    assert found["file://" + os.fsdecode(hidden.replace(b"\xe9", b"%E9"))] == ("ok", None)
    assert summary.videos == 5
    assert set(dataset.videos()["filename"].to_pylist()) == {None, "a", "b", "c", "d"}


def test_a_file_that_changes_while_it_is_read_is_not_believed(
    recipe: Recipe, tmp_path: Path
) -> None:
    from internvid.pipeline.scanning import ScanTask, scan_source

    source = write_video(tmp_path / "growing.mp4", frames=70)

    def grow(_: object) -> None:
        with source.open("ab") as file:
            file.write(b"more")

    row = scan_source(ScanTask(str(source), tmp_path / "stage" / "00000", recipe.scan), grow)
    assert (row["status"], row["reason"], row["video_id"]) == ("failed", "changing", None)
    assert [path.name for path in (tmp_path / "stage").iterdir()] == ["00000.json"]


def test_a_dataset_among_its_own_videos_is_no_source(recipe: Recipe, tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4")
    build([str(tmp_path)], tmp_path / "data", recipe, workers=1)
    write_video(tmp_path / "data" / "stray.mp4", seed=5)
    assert build([str(tmp_path)], tmp_path / "data", recipe, workers=1).scanned == 0


def _mounted(folder: Path, size: str) -> Iterator[Path]:
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)],
        capture_output=True, check=False,
    )  # fmt: skip
    if done.returncode:
        pytest.skip("mounting a small file system is not allowed here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    yield from _mounted(tmp_path / "disk", "100k")


def test_a_full_disk_stops_cleanly_and_the_build_resumes(small_disk: Path, tmp_path: Path) -> None:
    noisy = write_videos(tmp_path / "in", 8)
    process = start("build", tmp_path / "in", "-o", small_disk / "data", "--workers", 2)
    _, talk = process.communicate(timeout=120)
    assert process.returncode == 1, talk
    assert "no space left on device" in talk
    assert "hint: free space" in talk
    assert "Traceback" not in talk
    subprocess.run(["mount", "-o", "remount,size=50m", str(small_disk)], check=True)
    assert run("build", tmp_path / "in", "-o", small_disk / "data", "--workers", 1) == 0
    assert run("build", tmp_path / "in", "-o", tmp_path / "data", "--workers", 2) == 0
    found, expected = digest_tree(small_disk / "data"), digest_tree(tmp_path / "data")
    # The page shows the dataset's own path.
    found.pop("report.html"), expected.pop("report.html")
    assert found == expected
    assert len(noisy) == sum(
        row["status"] == "ok" for row in rows_by_name(tmp_path / "data").values()
    )


def test_a_file_size_limit_is_a_full_disk(with_white: Path, tmp_path: Path) -> None:
    import resource

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))

    process = start("build", with_white, "-o", tmp_path / "data", preexec_fn=limit)
    _, talk = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "file too large" in talk
    assert "Traceback" not in talk
    assert not list(tmp_path.rglob("*.json.*"))


def test_a_folder_that_refuses_us_stops_with_a_hint() -> None:
    options: dict[str, Any] = {}
    if os.getuid() == 0:  # root is refused nothing: another user asks
        options = {"user": 65534}
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        write_video(Path(folder, "a.mp4"))
        Path(folder, "refusing").mkdir(mode=0o555)
        try:
            output = f"{folder}/refusing/data"
            process = start("build", f"{folder}/a.mp4", "-o", output, **options)
        except PermissionError:
            pytest.skip("another user cannot run this Python")
        _, talk = process.communicate(timeout=60)
    assert process.returncode == 1, talk
    assert "permission denied" in talk
    assert "hint: fix the permission" in talk


def test_a_read_only_disk_stops_with_a_hint(
    small_disk: Path, with_white: Path, recipe: Recipe
) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(StorageError, match="read-only file system") as caught:
        build([str(with_white)], small_disk / "data", recipe, workers=1)
    assert "fix the permission" in str(caught.value)


def test_impossible_outputs_are_refused_with_one_sentence(with_white: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "dangling").symlink_to("nowhere")
    for output in ("file/data", "dangling", "n" * 300):
        with pytest.raises(StorageError, match="cannot write") as caught:
            internvid.build(with_white, tmp_path / output, workers=1)
        assert "another path" in str(caught.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dangling", "file"]


KILL_AT = (
    "staged/*/*/00001.json",
    "scans/*/picks/part-00001*",
    "scans/*/videos/part-00002.parquet",
    "cuts/*/clips/part-00001*",
    "cuts/*/columns/*/part-00002*",
    "report.html.*",
)


@pytest.mark.slow
def test_killed_at_every_stage_it_ends_in_the_same_bytes(tmp_path: Path) -> None:
    videos = tmp_path / "in"
    write_videos(videos, 8)

    def prepared(name: str) -> Path:
        layout = Layout(tmp_path / name / "data")
        record = layout.create()
        record.sources_per_part = 2
        layout.write_record(record)
        return layout.root

    reference = prepared("reference")
    assert run("build", videos, "-o", reference, "--workers", 2) == 0
    dataset = prepared("killed")
    killed = 0
    for number, pattern in enumerate(KILL_AT):
        process = start("build", videos, "-o", dataset, "--workers", 1 + number % 3)
        while process.poll() is None:
            if any(dataset.glob(pattern)):
                os.kill(process.pid, signal.SIGKILL)
                killed += 1
                break
            time.sleep(0.001)
        process.communicate(timeout=60)
    assert killed >= 4
    assert run("build", videos, "-o", dataset, "--workers", 2) == 0
    found, expected = digest_tree(dataset), digest_tree(reference)
    found.pop("report.html"), expected.pop("report.html")
    assert found == expected
    assert not list(dataset.rglob("*.writing"))


def test_a_build_killed_before_its_first_record_leaves_no_stranger(
    with_white: Path, recipe: Recipe, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "lock").write_bytes(b"")
    left = leftover(data / "dataset.json")
    assert build([str(with_white)], data, recipe, workers=1).videos == 4
    assert not left.exists()


def test_two_builds_at_once_the_second_is_told_and_nothing_is_lost(
    with_white: Path, tmp_path: Path
) -> None:
    layout = Layout(tmp_path / "data")
    with layout.locked():
        layout.create()
        process = start("build", with_white, "-o", layout.root)
        _, talk = process.communicate(timeout=60)
        assert process.returncode == 1
        assert "another process is writing" in talk
    assert run("build", with_white, "-o", layout.root) == 0
