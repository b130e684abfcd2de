"""Which frames are kept as pictures, and that they are what a player shows."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from internvid.scan.scan import ScanRecipe, scan_video
from internvid.synthetic.truth import World
from internvid.video.pick import PickClock, PickRule


def kept(clock: PickClock, fps: int, good: set[int], frames: int) -> list[int]:
    return [at for at in range(frames) if clock.wants(at / fps, 0.0, is_good=at in good)]


def test_the_first_frame_of_each_slot_is_kept() -> None:
    assert kept(PickClock(PickRule()), 10, set(range(20)), 20) == [0, 5, 10, 15]


def test_a_good_frame_is_waited_for() -> None:
    assert kept(PickClock(PickRule()), 25, {at * 4 for at in range(13)}, 50) == [0, 16, 28, 40]
    # Not for long: two frames are 0.2 s.
    assert kept(PickClock(PickRule()), 10, {0}, 20) == [0, 7, 12, 17]


def test_a_new_picture_gets_a_good_frame_as_soon_as_it_is_calm() -> None:
    clock = PickClock(PickRule())
    changes = [0.0] * 3 + [40.0] + [0.0] * 6
    good = [True, False, False, False, False, False, True, False, True, False]
    both = zip(changes, good, strict=True)
    wanted = [clock.wants(at / 25, change, is_good=fine) for at, (change, fine) in enumerate(both)]
    assert [at for at, is_kept in enumerate(wanted) if is_kept] == [0, 6]


def test_no_slot_goes_by_in_waiting() -> None:
    clock = PickClock(PickRule(per_second=10.0))
    times = [at / 50 for at in range(100) if clock.wants(at / 50, 0.0, is_good=False)]
    assert [int(time * 10 + 1e-6) for time in times] == list(range(20))


@pytest.mark.parametrize("mode", ["full", "fast"])
def test_slots_are_all_filled(world: World, mode: str) -> None:
    video = next(video for video in world.videos if video.codec == "h264")
    recipe = ScanRecipe(observers=("luma",), audio=False, mode=mode)
    picks = scan_video(world.path(video.name), recipe, lambda _pick: None).picks
    slots = {int((pick.pts_seconds + 1e-6) * 2) for pick in picks}
    assert slots == set(range(max(slots) + 1))
    assert max(slots) >= int(video.duration_seconds * 2) - 1


def test_picks_are_what_a_player_shows(world: World) -> None:
    """Leaving out the loop filter of frames that no other needs touches no pick."""
    video = next(video for video in world.videos if video.codec == "h264")
    assert _jpegs(world.path(video.name), "noref") == _jpegs(world.path(video.name), "none")


def _jpegs(path: Path, skip_loop_filter: str) -> list[bytes]:
    recipe = ScanRecipe(observers=("luma",), audio=False)
    recipe = dataclasses.replace(recipe, skip_loop_filter=skip_loop_filter)
    jpegs: list[bytes] = []
    scan_video(path, recipe, lambda pick: jpegs.append(pick.jpeg))
    return jpegs
