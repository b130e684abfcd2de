"""The stated truth of a rendered world is what its pixels and samples show."""

import math
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from internvid.core.errors import InternvidError
from internvid.synthetic import World, render_world
from internvid.synthetic.scripts.sound_tracks import SAMPLE_RATE
from internvid.synthetic.truth import ShotTruth, VideoTruth, WorldUnreadableError

Frames = npt.NDArray[np.uint8]
Plane = npt.NDArray[np.float32]
Decoder = Callable[[str], Frames]


def shots_of(world: World) -> Iterator[tuple[VideoTruth, ShotTruth]]:
    return ((video, shot) for video in world.videos for shot in video.shots)


def luma(frames: Frames) -> Plane:
    return frames.astype(np.float32) @ np.asarray((0.299, 0.587, 0.114), dtype=np.float32)


def undisturbed(video: VideoTruth, shot: ShotTruth) -> bool:
    return all(event.shot_index != shot.index for event in video.events)


def inside(shot: ShotTruth, picture: Frames) -> Frames:
    bars = shot.borders
    height, width = picture.shape[:2]
    return picture[bars.top : height - bars.bottom, bars.left : width - bars.right]


def displacement(before: Frames, after: Frames, reach: int = 24) -> tuple[int, int]:
    """How far the content moves to the right and down: the shift with the least median error."""
    a, b = luma(before), luma(after)
    shifts = [(x, 0) for x in range(-reach, reach + 1)] + [(0, y) for y in range(-reach, reach + 1)]
    return min(shifts, key=lambda shift: shift_error(a, b, shift))


def shift_error(a: Plane, b: Plane, shift: tuple[int, int]) -> float:
    x, y = shift
    height, width = a.shape
    first = a[max(0, -y) : height - max(0, y), max(0, -x) : width - max(0, x)]
    second = b[max(0, y) : height - max(0, -y), max(0, x) : width - max(0, -x)]
    return float(np.median(np.abs(first - second)[::2, ::2]))


def wobble(anchor: Frames, moved: Frames) -> tuple[int, int]:
    """Like `displacement`, in both directions at once: a search from coarse to fine."""
    a, b = luma(anchor), luma(moved)
    best = (0, 0)
    for step in (8, 4, 2, 1):
        around = [
            (best[0] + x * step, best[1] + y * step)
            for x in (-2, -1, 0, 1, 2)
            for y in (-2, -1, 0, 1, 2)
        ]
        best = min(around, key=lambda shift: shift_error(a, b, shift))
    return best


def test_same_seed_gives_same_bytes_and_another_seed_gives_others(tmp_path: Path) -> None:
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        render_world(tmp_path / name, seed, 1, seconds=4.0, size=(160, 90))
    names = sorted(path.name for path in (tmp_path / "a").iterdir())
    same = [
        (tmp_path / "a" / one).read_bytes() == (tmp_path / "b" / one).read_bytes() for one in names
    ]
    other = [
        (tmp_path / "a" / one).read_bytes() == (tmp_path / "c" / one).read_bytes() for one in names
    ]
    assert all(same)
    assert not any(other)


def test_truth_survives_its_file(world: World) -> None:
    assert World.load(world.folder) == world


def test_a_folder_without_truth_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WorldUnreadableError):
        World.load(tmp_path)


def test_odd_arguments_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InternvidError, match="even"):
        render_world(tmp_path, 0, 1, size=(161, 90))


def test_every_file_has_the_stated_frames_rate_and_tracks(world: World) -> None:
    for video in world.videos:
        with av.open(str(world.path(video.name))) as container:
            stream = container.streams.video[0]
            stamps = [one.pts for one in container.decode(stream)]
            assert stream.time_base is not None
            assert len(stamps) == video.frames
            last = float((stamps[-1] or 0) * stream.time_base)
            assert last == pytest.approx(float((video.frames - 1) / video.fps), abs=0.002)
            assert bool(container.streams.audio) == video.has_audio
            assert stream.codec_context.name.startswith(video.codec[:3])


def test_shots_tile_the_video(world: World) -> None:
    for video in world.videos:
        assert video.shots[0].start_frame == 0
        assert video.shots[-1].end_frame == video.frames
        for one, following in zip(video.shots, video.shots[1:], strict=False):
            assert one.end_frame == following.start_frame
            change = following.transition
            if change.kind == "cut":
                assert change.first_frame == following.start_frame == following.clean_start_frame
            else:
                assert change.last_frame + 1 == following.clean_start_frame
                assert change.first_frame == one.clean_end_frame
                assert following.start_frame * 2 == change.first_frame + change.last_frame + 1
        assert video.core_shots()[0].transition == "start"


def test_pictures_jump_at_stated_cuts_and_nowhere_else(world: World, decoded: Decoder) -> None:
    for video in world.videos:
        frames = luma(decoded(video.name)[:, ::3, ::3])
        jumps = np.abs(np.diff(frames, axis=0)).mean(axis=(1, 2))
        cuts = {
            shot.start_frame
            for shot in video.shots
            if shot.transition.kind == "cut" and shot.transition.contrast != "colour-only"
        }
        excused = {
            frame
            for event in video.events
            for frame in range(event.first_frame, event.last_frame + 2)
        }
        assert all(jumps[cut - 1] > 12.0 for cut in cuts), video.name
        for shot in video.shots:
            if shot.camera.kind == "static":
                quiet = set(range(shot.clean_start_frame + 1, shot.clean_end_frame)) - excused
                assert max(jumps[frame - 1] for frame in quiet) < 12.0, (video.name, shot.index)


def test_gradual_transitions_go_from_one_shot_to_the_other(world: World, decoded: Decoder) -> None:
    seen = set()
    for video in world.videos:
        frames = decoded(video.name)
        for shot in video.shots[1:]:
            change = shot.transition
            if change.frames == 0:
                continue
            seen.add(change.kind)
            assert change.frames >= 0.25 * video.fps
            first, last = change.first_frame, change.last_frame
            ends = [frames[index].astype(np.float32) for index in (first - 1, last + 1)]
            middle = frames[(first + last) // 2].astype(np.float32)
            whole = np.abs(ends[0] - ends[1]).mean()
            assert whole > 12.0
            assert all(np.abs(middle - end).mean() > 0.2 * whole for end in ends), (
                video.name,
                shot.index,
            )
    assert seen == {"dissolve", "fade", "wipe"}


def test_still_shots_do_not_move_and_live_ones_do(world: World, decoded: Decoder) -> None:
    for video, shot in shots_of(world):
        frames = decoded(video.name)[shot.clean_start_frame : shot.clean_end_frame]
        if shot.is_still:
            steps = np.abs(np.diff(luma(frames[:, ::2, ::2]), axis=0)).mean(axis=(1, 2))
            assert np.median(steps) < 0.3, (video.name, shot.index)
            assert steps.max() < 4.0, (video.name, shot.index)
        elif len(frames) > 15 and undisturbed(video, shot):
            spread = luma(frames[::3]).std(axis=0)
            assert spread.max() > 15.0, (video.name, shot.index)


def test_pans_and_tilts_move_the_content_by_the_stated_amount(
    world: World, decoded: Decoder
) -> None:
    signs = {"right": (-1, 0), "left": (1, 0), "down": (0, -1), "up": (0, 1)}
    seen = set()
    for video, shot in shots_of(world):
        if shot.camera.kind not in ("pan", "tilt") or not undisturbed(video, shot):
            continue
        rate = shot.camera.speed * video.width / float(video.fps)
        gap = max(1, round(7.0 / rate))
        first = (shot.clean_start_frame + shot.clean_end_frame - gap) // 2
        frames = decoded(video.name)
        moved = displacement(inside(shot, frames[first]), inside(shot, frames[first + gap]))
        sign = signs[shot.camera.direction]
        assert moved == pytest.approx((sign[0] * rate * gap, sign[1] * rate * gap), abs=1.1), shot
        seen.add(shot.camera.direction)
    assert len(seen) >= 3


def test_zooms_change_the_scale_by_the_stated_amount(world: World, decoded: Decoder) -> None:
    seen = set()
    for video, shot in shots_of(world):
        if shot.camera.kind != "zoom" or not undisturbed(video, shot):
            continue
        gap = math.ceil(math.log(1.08) / math.log1p(shot.camera.speed) * video.fps)
        first = (shot.clean_start_frame + shot.clean_end_frame - gap) // 2
        both = decoded(video.name)[[first, first + gap]]
        frames = np.stack([inside(shot, one) for one in both])
        factor = (1 + shot.camera.speed) ** (gap / float(video.fps))
        errors = {guess: scale_error(frames, guess) for guess in (factor, 1.0, 1 / factor)}
        best = min(errors, key=lambda guess: errors[guess])
        assert best == (factor if shot.camera.direction == "in" else 1 / factor), (
            video.name,
            shot.index,
        )
        seen.add(shot.camera.direction)
    assert seen == {"in", "out"}


def scale_error(frames: Frames, factor: float) -> float:
    """Difference of the second frame and the first one enlarged, in the middle of the picture."""
    height, width = frames.shape[1:3]
    wide, tall = width / factor, height / factor
    box = ((width - wide) / 2, (height - tall) / 2, (width + wide) / 2, (height + tall) / 2)
    source = Image.fromarray(np.ascontiguousarray(frames[0])).transform(
        (width, height), Image.Transform.EXTENT, box, Image.Resampling.BILINEAR
    )
    gap = np.asarray(source, dtype=np.float32) - frames[1]
    return float(np.abs(gap[height // 6 : -height // 6, width // 6 : -width // 6]).mean())


def test_shaken_shots_wobble_without_drifting(world: World, decoded: Decoder) -> None:
    shaken = [(v, s) for v, s in shots_of(world) if s.camera.kind == "shake" and undisturbed(v, s)]
    assert shaken
    for video, shot in shaken:
        frames = decoded(video.name)[shot.clean_start_frame : shot.clean_end_frame : 2]
        anchor = inside(shot, frames[0])
        places = np.asarray([wobble(anchor, inside(shot, one)) for one in frames[::3]])
        away = np.abs(places - np.median(places, axis=0))
        spread = 1.48 * float(np.median(away, axis=0).mean()) / video.width
        assert spread == pytest.approx(shot.camera.speed, rel=0.5, abs=0.003)


def test_flashes_lift_the_brightness_and_fade_away(world: World, decoded: Decoder) -> None:
    flashes = [(v, e) for v in world.videos for e in v.events if e.kind == "flash"]
    assert flashes
    for video, event in flashes:
        assert 1 <= event.last_frame - event.first_frame + 1 <= 4
        levels = luma(decoded(video.name)[event.first_frame - 2 : event.last_frame + 3]).mean(
            axis=(1, 2)
        )
        assert levels[2:-2].min() > levels[[0, 1, -1, -2]].max() + 20
        shot = video.shots[event.shot_index]
        assert (
            shot.clean_start_frame < event.first_frame < event.last_frame + 1 < shot.clean_end_frame
        )


def test_brightness_borders_and_colour_only_cuts_are_as_stated(
    world: World, decoded: Decoder
) -> None:
    contrasts = set()
    for video, shot in shots_of(world):
        frames = decoded(video.name)
        if undisturbed(video, shot):
            middle = frames[(shot.clean_start_frame + shot.clean_end_frame) // 2]
            assert luma(inside(shot, middle)).mean() / 255 == pytest.approx(
                shot.brightness, abs=0.04
            )
            assert middle[: shot.borders.top].mean() < 6 if shot.borders.top else True
        contrast = shot.transition.contrast
        if contrast:
            contrasts.add(contrast)
            before, after = frames[shot.start_frame - 1], frames[shot.start_frame]
            assert abs(luma(before).mean() - luma(after).mean()) < 16
        if contrast == "colour-only":
            assert np.abs(luma(before) - luma(after)).mean() < 6
            assert np.abs(before.astype(np.int16) - after).mean() > 25
    assert contrasts == {"colour-only", "similar-brightness"}


def test_sound_has_the_stated_level(world: World) -> None:
    video = next(one for one in world.videos if one.has_audio)
    with av.open(str(world.path(video.name))) as container:
        parts = [one.to_ndarray().ravel() for one in container.decode(audio=0)]
    wave = np.concatenate(parts)
    for shot in video.shots:
        first, last = (round(one * SAMPLE_RATE) for one in (shot.start_seconds, shot.end_seconds))
        piece = wave[first + 2400 : last - 2400]
        level = 20 * math.log10(float(np.sqrt(np.mean(piece**2))) + 1e-9)
        expected = shot.sound.level_db
        assert level < -70 if expected is None else level == pytest.approx(expected, abs=1.5)


def test_sentences_name_what_is_seen(world: World) -> None:
    for _, shot in shots_of(world):
        for thing in shot.objects:
            assert f"{thing.size} {thing.colour} {thing.shape}" in shot.text
        if shot.camera.kind != "static":
            assert shot.camera.kind in shot.text
            assert shot.text.endswith(".")


def test_copies_show_what_they_are_copied_from(world: World, decoded: Decoder) -> None:
    assert {copy.kind for copy in world.copies} == {"exact", "reencoded", "subclip"}
    for copy in world.copies:
        frames = decoded(copy.name)
        source = decoded(copy.source)[copy.source_start_frame : copy.source_end_frame]
        assert len(frames) == len(source)
        assert frames.shape[1:3] == (copy.height, copy.width)
        for index in (0, len(frames) // 2, len(frames) - 1):
            small = Image.fromarray(source[index]).resize((copy.width, copy.height))
            assert np.abs(np.asarray(small, dtype=np.int16) - frames[index]).mean() < 9


def test_the_world_shows_all_kinds(world: World) -> None:
    shots = [shot for _, shot in shots_of(world)]
    assert {shot.camera.kind for shot in shots} == {"static", "pan", "tilt", "zoom", "shake"}
    assert {shot.kind for shot in shots} == {"scene", "still", "slide"}
    assert {shot.tone for shot in shots} == {"dark", "medium", "bright"}
    assert {show.style for video in world.videos for show in video.slideshows} == {
        "hard",
        "soft",
        "ken-burns",
    }
    assert {"flash", "near_object", "title", "light_change"} <= {
        e.kind for v in world.videos for e in v.events
    }
    assert any(4 <= shot.end_frame - shot.start_frame <= 10 for shot in shots)
