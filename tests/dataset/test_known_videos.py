"""What a build knows of millions of videos, in little room, and which of them count."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from internvid.core.errors import StorageError
from internvid.dataset.current import gone_videos, latest_videos
from internvid.dataset.layout import Layout
from internvid.dataset.parts import commit_table, rows_to_table
from internvid.dataset.removal import pending
from internvid.dataset.sources import known_videos
from internvid.dataset.sources.known_videos import KnownVideos, holds_video
from internvid.dataset.tables import VIDEO_SCHEMA

_PARTS = tuple(f"part-{number:05}" for number in range(6))


def _id(number: int) -> str:
    # Zeros at the end, which arrays of bytes leave out when they are read.
    return f"{number:08x}".ljust(32, "0")


def test_known_videos_are_what_a_dictionary_would_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(known_videos, "_MOST_YOUNG", 7)
    drawn, plain, known = random.Random(3), {}, KnownVideos()
    for step in range(400):
        video, uri = _id(drawn.randrange(150)), f"file:///videos/ä{step}.mp4"
        plain[video] = uri
        known.add(video, uri)
        sought = _id(drawn.randrange(150))
        assert known.get(sought) == plain.get(sought)
    assert [known.get(_id(at)) for at in range(150)] == [plain.get(_id(at)) for at in range(150)]
    assert known.get(None) is None
    with known.as_file(tmp_path) as path:
        assert path is not None
        assert path.stat().st_size == 16 * len(plain)
        found = [holds_video(path, _id(at)) for at in range(160)]
        assert found == [_id(at) in plain for at in range(160)]
    assert not list(tmp_path.iterdir())


def test_no_file_without_videos_and_trouble_with_one_is_no_source_s(tmp_path: Path) -> None:
    with KnownVideos().as_file(tmp_path) as path:
        assert path is None
    with pytest.raises(StorageError):
        holds_video(tmp_path / "away", _id(1))
    known = KnownVideos()
    known.add(_id(1), "file:///a.mp4")
    with pytest.raises(StorageError), known.as_file(tmp_path / "nowhere"):
        pass


@pytest.mark.parametrize("seed", range(8))
def test_which_videos_are_gone_is_what_a_walk_over_the_rows_finds(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn, layout = random.Random(seed), Layout(tmp_path)
    removed = pending.Removed(
        videos=frozenset({_id(1)}) if seed % 2 else frozenset(),
        uris=frozenset({"file:///2.mp4"}) if seed % 3 else frozenset(),
        sources=frozenset({"s3"}) if seed % 4 else frozenset(),
    )
    monkeypatch.setattr("internvid.dataset.current.pending_removal", lambda _: removed)
    latest: dict[str, tuple[str | None, str]] = {}
    scanned: set[str | None] = set()
    for part in _PARTS[:-1]:
        rows = []
        for uri in drawn.sample(range(12), drawn.randrange(1, 6)):
            status = drawn.choice(["ok", "ok", "duplicate", "failed", "removed"])
            video = None if status in ("failed", "removed") else _id(drawn.randrange(8))
            row = {"uri": f"file:///{uri}.mp4", "video_id": video, "status": status}
            rows.append({**row, "source_id": f"s{uri}"})
            hidden = removed.hides(str(row["uri"]), video, f"s{uri}")
            latest[str(row["uri"])] = video, "removed" if hidden else status
            scanned.update([video] if status == "ok" else [])
        commit_table(layout.scanned("scan", "videos", part), rows_to_table(rows, VIDEO_SCHEMA))
    current = {video for video, status in latest.values() if status in ("ok", "duplicate")}
    # The last part is planned and not scanned.
    assert gone_videos(layout, "scan", _PARTS) == scanned - current
    found = latest_videos(layout, "scan", _PARTS, ["video_id"])
    assert dict(zip(found["uri"].to_pylist(), found["video_id"].to_pylist(), strict=True)) == {
        uri: video for uri, (video, _) in latest.items()
    }
    assert found.num_rows == len(latest)


def test_of_nothing_nothing_is_gone(tmp_path: Path) -> None:
    assert gone_videos(Layout(tmp_path), "scan", _PARTS) == frozenset()
    assert latest_videos(Layout(tmp_path), "scan", _PARTS, ["status"]).num_rows == 0
