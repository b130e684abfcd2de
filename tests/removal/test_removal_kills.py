"""kill -9 at any step: readers obey from the tombstone on, and the next writer ends the purge."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import internvid
from internvid.core.errors import DatasetBusyError, StorageError
from internvid.dataset import parts
from tests.removal.bytes import names_of, traces
from tests.removal.conftest import EXPORTS, CopiedDesk, Desk, copied
from tests.trees import digest_tree

Killer = Callable[..., str]


@pytest.fixture(scope="module")
def kill() -> Iterator[Killer]:
    """`kill(step, dataset, "videos=ID", ...)`: what `tests.removal.killed` answers."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.removal.killed"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    stdin, stdout = process.stdin, process.stdout

    def call(step: int, *arguments: object) -> str:
        print(step, *arguments, file=stdin, flush=True)
        return stdout.readline().strip()

    yield call
    stdin.close()
    process.wait()
    stdout.close()


def trees(desk: Desk) -> dict[str, str]:
    """Every file of the dataset and its exports, but those in which times stand."""
    return {
        f"{folder}/{name}": digest
        for folder in ("data", *EXPORTS)
        for name, digest in digest_tree(desk.root / folder).items()
    }


def shown(desk: Desk, name: str) -> int:
    """Clips of a video that a reader finds."""
    opened = internvid.open(desk.data)
    return (
        opened.sql(f"select * from all_clips where video_id = '{desk.video(name)}'")
        .to_arrow_table()
        .num_rows
    )


def try_steps(
    whole: Desk, root: Path, kill: Killer, request: list[str], every: int
) -> tuple[int, int]:
    """Kill at every n-th step; how many steps there are, and how often a tombstone stood alone."""
    desk: CopiedDesk = copied(whole, root)  # type: ignore[assignment]
    total = int(kill(0, desk.data, *request))
    expected = trees(desk)
    hidden = 0
    for step in range(1, total + 1, every):
        shutil.rmtree(root)
        copied(whole, root)
        before = shown(desk, "dan")
        assert kill(step, desk.data, *request) == "killed", step
        stands = (desk.data / "removals").exists() and any(
            (desk.data / "removals").rglob("*.parquet")
        )
        assert shown(desk, "dan") == (0 if stands else before), step
        hidden += stands
        if stands and step % 2:
            with pytest.raises(internvid.InternvidError, match="nothing fits"):
                # Any command that writes: this one comes to nothing, but for the purge.
                internvid.select(desk.data, "where", "none", "duration_seconds < 0")
        else:
            kinds = [each.partition("=") for each in request]
            wanted = {kind: [text for other, _, text in kinds if other == kind]
                      for kind in ("videos", "uris")}  # fmt: skip
            internvid.remove(desk.data, **wanted)  # type: ignore[arg-type]
        assert trees(desk) == expected, step
    shutil.rmtree(root)
    return total, hidden


def both(desk: Desk) -> list[str]:
    """A video that goes, and a uri whose video another source keeps."""
    return [f"videos={desk.video('dan')}", f"uris={desk.uri('bob')}"]


def test_killed_at_some_steps_it_ends_in_the_same_bytes(
    whole_desk: Desk, tmp_path: Path, kill: Killer
) -> None:
    total, hidden = try_steps(whole_desk, tmp_path / "w", kill, both(whole_desk), every=29)
    assert total > 40
    assert hidden >= 1


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_killed_at_every_step_it_ends_in_the_same_bytes(
    whole_desk: Desk, tmp_path: Path, kill: Killer
) -> None:
    try_steps(whole_desk, tmp_path / "w", kill, both(whole_desk), every=1)


def test_the_lock_refuses_a_second_removal_but_readers_obey_it(desk: Desk) -> None:
    before = shown(desk, "cat")
    assert before
    with (desk.data / "lock").open("r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(DatasetBusyError, match="hidden from every reader from now on"):
            internvid.remove(desk.data, desk.video("cat"))
        assert shown(desk, "cat") == 0
        assert traces(desk.data, [desk.video("cat")])
        with pytest.raises(DatasetBusyError, match="another process is writing"):
            internvid.remove(desk.data, desk.video("cat"))
        assert len(list((desk.data / "removals" / "pending").iterdir())) == 1
    done = internvid.remove(desk.data)
    assert (done.removed_videos, done.removed_clips) == (1, before)
    assert traces(desk.data, names_of(desk, "cat")) == []


def test_a_full_disk_stops_the_purge_and_not_the_tombstone(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = copied(desk, tmp_path / "other")
    real, left = parts.new_temporary, [6]

    def full(path: Path) -> Path:
        left[0] -= 1
        if left[0] < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        return real(path)

    monkeypatch.setattr(parts, "new_temporary", full)
    with pytest.raises(StorageError, match="no space left on device; what is removed is hidden"):
        internvid.remove(desk.data, desk.video("cat"))
    assert shown(desk, "cat") == 0
    with pytest.raises(StorageError, match="no space left"):
        desk.build()
    monkeypatch.undo()
    done = internvid.remove(desk.data)
    assert done.removed_videos == 1
    assert traces(desk.data, names_of(desk, "cat")) == []
    internvid.remove(whole.data, desk.video("cat"))
    unlike = ("receipt", "exports/")  # these say where exports lie
    one, other = (
        {
            name: digest
            for name, digest in digest_tree(each.data).items()
            if not any(word in name for word in unlike)
        }
        for each in (desk, whole)
    )
    assert one == other


def test_no_space_for_the_tombstone_itself_changes_nothing(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = trees(desk)

    def full(path: Path) -> Path:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    monkeypatch.setattr(parts, "new_temporary", full)
    with pytest.raises(StorageError, match="no space left on device") as error:
        internvid.remove(desk.data, desk.video("cat"))
    assert "hidden" not in str(error.value)
    assert shown(desk, "cat") > 0
    assert trees(desk) == before
