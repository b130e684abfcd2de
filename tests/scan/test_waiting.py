"""Frames, picks and sound that wait for company: what comes out does not depend on how many do."""

from __future__ import annotations

from pathlib import Path

import pytest

from internvid.recipes import default
from internvid.scan import picks, scan
from internvid.scan.observers import audio
from internvid.scan.picks import StoredPick
from internvid.scan.scan import scan_video
from internvid.synthetic.truth import World

Result = tuple[dict[str, bytes], list[StoredPick]]


def result(path: Path) -> Result:
    kept: list[StoredPick] = []
    timeline = scan_video(path, default().scan, kept.append).timeline
    return {name: column.tobytes() for name, column in timeline.stored.items()}, kept


@pytest.mark.parametrize(("frames", "pixels", "others"), [(1, 1, 1), (5, 1 << 40, 3), (64, 1, 2)])
def test_how_many_wait_changes_nothing(
    frames: int, pixels: int, others: int, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = world.path(world.videos[0].name)
    expected = result(path)
    assert len(expected[1]) > picks._WAITING_PICKS
    monkeypatch.setattr(scan, "_WAITING_FRAMES", frames)
    monkeypatch.setattr(scan, "_WAITING_PIXELS", pixels)
    monkeypatch.setattr(picks, "_WAITING_PICKS", others)
    monkeypatch.setattr(audio, "_WAITING_FRAMES", others)
    assert result(path) == expected
