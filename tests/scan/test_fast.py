"""The fast scan decodes less and finds the same cuts at the same frames."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

import internvid
from internvid.pipeline.build import build
from internvid.pipeline.recipe import CutRecipe, Recipe
from internvid.scan import refine as refining
from internvid.scan.refine import Gap, firsts_of_shots
from internvid.scan.scan import ScanRecipe, scan_video
from internvid.shots.content import ContentDetector
from internvid.shots.default import DefaultDetector
from internvid.synthetic.encode import VideoFormat, write_video
from internvid.synthetic.truth import World
from internvid.video.decode import Between, DecodeOptions, Picture, open_video
from tests.numbered import FPS as NUMBERED_FPS
from tests.numbered import Numbered, write_numbered

OBSERVERS = ("content", "luma", "transitions")


def cuts(path: Path, mode: str) -> tuple[list[float], int]:
    """Times of the hard cuts, and how many frames were decoded."""
    recipe = ScanRecipe(observers=OBSERVERS, audio=False, mode=mode)
    timeline = scan_video(path, recipe).timeline
    shots = DefaultDetector().detect(timeline)
    return [s.span.start_seconds for s in shots if s.transition == "cut"], len(timeline)


def test_cuts_lie_at_the_same_frames_though_fewer_are_decoded(world: World) -> None:
    video = next(video for video in world.videos if video.codec == "h264")
    full, all_frames = cuts(world.path(video.name), "full")
    fast, some_frames = cuts(world.path(video.name), "fast")
    assert some_frames < 0.9 * all_frames
    assert full
    assert fast == pytest.approx(full)


def test_a_gap_whose_end_never_comes_keeps_the_boundary_at_the_kept_frame(world: World) -> None:
    video = next(video for video in world.videos if video.codec == "h264")
    with open_video(world.path(video.name), DecodeOptions(thin=True)) as opened:
        assert list(firsts_of_shots(opened, [Gap(1, 0, 10**12)])) == []


CUTS = (42, 58, 109)  # each a frame that the thin pass skips
FPS = 25


def stills(cuts: tuple[int, ...], frames: int) -> Iterator[np.ndarray]:
    """A picture of coloured cells, another one after each cut."""
    random = np.random.default_rng(3)
    picture = np.zeros(0)
    for at in range(frames):
        if at == 0 or at in cuts:
            cells = random.integers(30, 220, (12, 20, 3), np.uint8)
            picture = cells.repeat(16, axis=0).repeat(16, axis=1)
        yield picture


@pytest.fixture(scope="module")
def unkeyed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three cuts in one group of pictures: the encoder was told to place no key frames there."""
    path = tmp_path_factory.mktemp("unkeyed") / "v.mp4"
    options = {"bf": "3", "b-adapt": "0", "x264-params": "scenecut=0:b-pyramid=none"}
    how = VideoFormat("h264", 320, 192, Fraction(FPS), keyframe_interval=500, options=options)
    write_video(path, stills(CUTS, 150), how)
    return path


def test_first_frames_of_shots_are_found_in_passing(
    unkeyed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refining, "open_video", pytest.fail)
    times, rows = cuts(unkeyed, "fast")
    assert times == [cut / FPS for cut in CUTS]
    assert rows < 60


def test_one_more_reading_serves_all_gaps_of_a_group_of_pictures(
    unkeyed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    readings: list[Path] = []

    def open_and_count(path: Path, options: DecodeOptions) -> object:
        readings.append(path)
        return open_video(path, options)

    monkeypatch.setattr(refining, "open_video", open_and_count)
    monkeypatch.setattr("internvid.video.timing.thin.Suspicion.wants", lambda _self, _packet: False)
    times, _rows = cuts(unkeyed, "fast")
    assert times == [cut / FPS for cut in CUTS]
    assert readings == [unkeyed]


def test_gaps_that_meet_share_the_frame_between_them(unkeyed: Path) -> None:
    with open_video(unkeyed, DecodeOptions(thin=True)) as opened:
        kept = [item.frame.pts for item in opened.read() if isinstance(item, Picture)]
    at = next(at for at, time in enumerate(kept) if time is not None and time * FPS > 42 * 12800)
    gaps = [Gap(k, int(kept[k - 1] or 0), int(kept[k] or 0)) for k in (at, at + 1)]
    with open_video(unkeyed, DecodeOptions(thin=True)) as opened:
        found = dict(firsts_of_shots(opened, gaps))
    assert list(found) == gaps
    assert found[gaps[0]] * FPS == 42 * 12800


def test_little_is_read_for_nothing(world: World) -> None:
    """Where nothing begins, the thin pass leaves out what it always left out."""
    options = DecodeOptions(thin=True, is_suspicious=True)
    video = next(video for video in world.videos if video.codec == "h264")
    with open_video(world.path(video.name), options) as opened:
        read = [type(item) for item in opened.read()]
    assert read.count(Between) < 0.1 * (video.frames - read.count(Picture))


# Regular key frames, none at a cut: before one, behind one, and B frames on both sides of one.
AROUND_KEYS = (23, 47, 71, 97, 121)
REGULAR = {
    "closed.mp4": Numbered(options={"x264-params": "open-gop=0"}),
    "open.mp4": Numbered(options={"x264-params": "open-gop=1"}),
    "pyramid.ts": Numbered(gop=25, options={"x264-params": "b-pyramid=normal"}),
    "mpeg2.mkv": Numbered("mpeg2video", b_frames=2),
    "mpeg4.mp4": Numbered("mpeg4", b_frames=2),
    "hevc.mp4": Numbered("libx265"),
}
# A fast scan of these is a full one.
UNTIMED = {
    "raw.h264": Numbered(container="h264"),
    "raw.hevc": Numbered("libx265", container="hevc"),
    "b.avi": Numbered(),
    "b.mxf": Numbered(container="mxf"),
    "p.vob": Numbered("mpeg2video", container="vob", b_frames=2),
}


def scan(path: Path, mode: str) -> tuple[list[int], float, str]:
    """Frames at which hard cuts lie, the length in seconds, and how it was decoded."""
    recipe = ScanRecipe(observers=OBSERVERS, audio=False, mode=mode)
    result = scan_video(path, recipe)
    shots = DefaultDetector().detect(result.timeline)
    found = [s.span.start_seconds * NUMBERED_FPS for s in shots if s.transition == "cut"]
    assert found == pytest.approx([round(cut) for cut in found], abs=0.05)
    return [round(cut) for cut in found], result.timeline.duration_seconds, result.mode


@pytest.mark.parametrize("name", [*REGULAR, *UNTIMED])
def test_a_fast_scan_has_the_cuts_and_the_length_of_a_full_one(name: str, tmp_path: Path) -> None:
    how = {**REGULAR, **UNTIMED}[name]
    how = dataclasses.replace(how, frames=145, cuts=AROUND_KEYS, is_still=True)
    path = write_numbered(tmp_path / name, how)
    cuts_found, seconds, mode = scan(path, "fast")
    assert cuts_found == list(AROUND_KEYS)
    assert seconds == pytest.approx(145 / NUMBERED_FPS, abs=2e-3)
    assert (cuts_found, seconds) == scan(path, "full")[:2]
    assert mode == ("full" if name in UNTIMED else "fast")


@pytest.mark.parametrize("first", [1, 2, 3, 5])
def test_an_edit_list_inside_a_group_of_pictures_begins_the_time(
    first: int, tmp_path: Path
) -> None:
    """The first frame shown is then a B frame, which a fast scan skips elsewhere."""
    how = Numbered(frames=60, cuts=(20, 37), is_still=True)
    whole = write_numbered(tmp_path / "whole.mp4", how)
    path = tmp_path / "later.mp4"
    options = {"avoid_negative_ts": "disabled"}  # what begins before 0 goes to an edit list
    with av.open(str(whole)) as source, av.open(str(path), "w", options=options) as container:
        template = source.streams.video[0]
        stream = container.add_stream_from_template(template)
        for packet in source.demux(template):
            if packet.pts is not None and packet.dts is not None and template.time_base:
                back = int(Fraction(first, NUMBERED_FPS) / template.time_base)
                packet.stream = stream
                packet.pts, packet.dts = packet.pts - back, packet.dts - back
                container.mux(packet)
    found = scan(path, "fast")
    assert found == ([20 - first, 37 - first], (60 - first) / NUMBERED_FPS, "fast")
    assert found[:2] == scan(path, "full")[:2]


def test_a_build_says_what_was_scanned_in_full(tmp_path: Path) -> None:
    for name in ("closed.mp4", "open.mp4", "raw.h264"):
        write_numbered(tmp_path / "files" / name, {**REGULAR, **UNTIMED}[name])
    cut = CutRecipe(ContentDetector(), signals=(), filters=())
    recipe = Recipe("fast", cut, ScanRecipe(mode="fast"))
    summary = build([str(tmp_path / "files" / "*")], tmp_path / "data", recipe, workers=1)
    (note,) = summary.notes
    assert note.startswith("1 of 3 videos were scanned in full")
    rows = internvid.open(tmp_path / "data").videos().to_pylist()
    modes = {Path(row["uri"]).name: row["scan_mode"] for row in rows}
    assert modes == {"closed.mp4": "fast", "open.mp4": "fast", "raw.h264": "full"}
