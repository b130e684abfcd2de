"""Videos mixed from real footage with known shot boundaries, to fit and test detectors.

Each video is a chain of takes joined by cuts, dissolves, fades, wipes and slides, under
events that are no boundary: flashes, pans, passing bodies, titles, insets, scrolling, light.
What recording does to the whole is in `benchmarks.recordings`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from benchmarks.joints import Change, blend, make_joint, make_tone, make_whip
from benchmarks.takes import Planes, Stretch, Take, draw_stretch, group_of
from internvid.evaluate.shots import Mark

FloatArray = npt.NDArray[np.float32]
RATES = (5.0, 8.0, 10.0, 12.0, 15.0, 20.0, 23.976, 24.0, 25.0, 25.0, 29.97, 30.0, 30.0, 50.0, 59.94)
KINDS = ("cut", "jump", "dissolve", "short dissolve", "fade", "wipe", "slide")
KIND_WEIGHTS = (0.36, 0.12, 0.2, 0.07, 0.07, 0.12, 0.06)


@dataclass
class World:
    """One mixed video.

    Attributes:
        luma: uint8 [T, 72, 128]. u, v: uint8 [T, 36, 64].
        seconds: float64 [T].
        marks: true boundaries and stretches that are not scored.
        events: (name, start, stop) of things that are no boundary.
    """

    luma: npt.NDArray[np.uint8]
    u: npt.NDArray[np.uint8]
    v: npt.NDArray[np.uint8]
    seconds: npt.NDArray[np.float64]
    marks: list[Mark]
    events: list[tuple[str, float, float]] = field(default_factory=list)


def _make_path(random: np.random.Generator, seconds: float) -> npt.NDArray[np.float64]:
    """Crop path: mostly still, else slow pan or zoom, else one fast pan or zoom."""
    size = float(random.choice([1.0, random.uniform(0.5, 0.95)], p=[0.45, 0.55]))
    start = np.array([*random.uniform(size / 2, 1 - size / 2 + 1e-6, 2), size])
    chance = random.random()
    if chance < 0.5:
        return np.stack([start, start])
    end = start.copy()
    if random.random() < 0.6:
        size = min(size, 0.6)
        start[2] = end[2] = size
        end[:2] = random.uniform(size / 2, 1 - size / 2, 2)
    else:
        end[2] = np.clip(size * random.uniform(0.5, 1.6), 0.35, 1)
    if chance < 0.72:
        return np.stack([start, end])
    steps = max(8, int(seconds * 30))
    begin = int(random.uniform(0.1, 0.7) * steps)
    length = max(3, int(random.uniform(0.12, 0.7) * 30))
    weight = np.clip((np.arange(steps) - begin) / length, 0, 1)
    weight = weight * weight * (3 - 2 * weight)
    return np.asarray(start + (end - start) * weight[:, None])


def make_take(
    random: np.random.Generator, pool: list[Stretch], seconds: float, near: Take | None = None
) -> Take:
    """A random take; with `near`, one of the same scene that is visibly another shot."""
    if near is not None:
        stretch = near.stretch
    elif random.random() < 0.14:
        stretch = draw_stretch(
            random, str(random.choice(["page", "shapes", "texture"], p=[0.4, 0.35, 0.25]))
        )
    else:
        groups = sorted({group_of(f.name) for f in pool})
        group = groups[int(random.integers(len(groups)))]
        scene = [f for f in pool if group_of(f.name) == group]
        stretch = scene[int(random.integers(len(scene)))]
    length = len(stretch.luma) / stretch.fps
    take = Take(stretch, random.uniform(0, length), seconds, _make_path(random, seconds))
    take.is_mirrored = bool(random.random() < 0.4)
    chance = random.random()
    take.speed = float(
        1.0
        if chance < 0.75
        else 0.0
        if chance < 0.83
        else random.uniform(0.3, 3)
        if chance < 0.95
        else random.uniform(4, 9)
    )
    if stretch.fps < 12:
        take.speed = min(take.speed, 1.0)
    if random.random() < 0.4:
        take.gain, take.gamma = random.uniform(0.6, 1.15), random.uniform(0.7, 1.6)
    if random.random() < 0.13:
        take.gain = random.uniform(0.15, 0.4)
    if random.random() < 0.3:
        take.chroma = (random.uniform(0.0, 1.5), random.normal(0, 5), random.normal(0, 5))
    if random.random() < 0.08:
        take.held_fps = float(random.choice([5, 8, 10, 12, 15]))
        if random.random() < 0.4 and take.held_fps > 8:
            take.speed = float(random.uniform(1.5, 3))
    if random.random() < 0.15:
        take.shake = np.cumsum(random.normal(0, 0.012, (97, 2)), axis=0) * 0.6 + random.normal(
            0, 0.012, (97, 2)
        )
        take.shake -= take.shake.mean(axis=0)
    if near is not None:
        _set_apart(random, take, near)
    return take


def _set_apart(random: np.random.Generator, take: Take, near: Take) -> None:
    """Give a take the light of another and a visibly different crop: a jump cut."""
    take.gain, take.gamma, take.chroma = near.gain, near.gamma, near.chroma
    take.is_mirrored = not near.is_mirrored if random.random() < 0.3 else near.is_mirrored
    if random.random() < 0.3:
        # The same lines in other colours: luma alone would not show this cut.
        angle, reach = random.uniform(0, 2 * np.pi), random.uniform(18, 60)
        take.chroma = (
            random.choice([-1.0, 0.3, 1.0]),
            np.cos(angle) * reach,
            np.sin(angle) * reach,
        )
        if random.random() < 0.5:
            take.path, take.is_mirrored = np.stack([near.path[-1]] * 2), near.is_mirrored
            take.start_seconds = near.start_seconds + near.seconds * near.speed
            return
    last = near.path[-1]
    for _ in range(20):
        take.path = _make_path(random, take.seconds)
        is_moved = np.abs(take.path[0, :2] - last[:2]).max() > 0.2 * last[2]
        if is_moved or abs(take.path[0, 2] - last[2]) > 0.25:
            break


def _keep_moving(random: np.random.Generator, take: Take) -> None:
    """Let the crop travel all through the take, so that joints fall into motion."""
    size = random.uniform(0.35, 0.65)
    places = random.uniform(size / 2, 1 - size / 2, (int(random.integers(2, 5)), 2))
    take.path = np.column_stack([places, random.uniform(0.8, 1.2, len(places)) * size])


def make_world(
    random: np.random.Generator,
    pool: list[Stretch],
    events: Callable[..., tuple[str, Change, float]],
) -> World:
    """One video of 6 to 16 s.

    Args:
        random: source of everything.
        pool: footage to draw from.
        events: makes one (name, change of a picture at seconds since its start, length).
    """
    fps = float(random.choice(RATES))
    marks: list[Mark] = []
    takes: list[tuple[Take, float, float]] = []
    joints = []
    flashes: list[tuple[float, float, Change]] = []
    whips: list[tuple[float, float, float]] = []
    clock = 0.0
    # A take that holds each picture for long is a slide show: its steps look like jump cuts.
    pool = [stretch for stretch in pool if stretch.fps >= min(12.0, 0.6 * fps)]
    take = make_take(random, pool, 4.0)
    begin, burst = 0.0, 0
    while True:
        if random.random() < 0.06:
            burst = int(random.integers(3, 10))
        burst -= 1
        is_burst = burst > 0
        clock += (
            max(2 / fps, random.uniform(0.12, 0.5))
            if is_burst
            else _choose_length(random, fps, not takes)
        )
        takes.append((take, begin, clock))
        if len(takes) > 1 and clock > random.uniform(5, 14):
            break
        kind = "cut" if is_burst else str(random.choice(KINDS, p=KIND_WEIGHTS))
        new = make_take(random, pool, 4.0, near=take if kind == "jump" else None)
        while kind != "jump" and new.stretch is take.stretch:
            # The same picture in another light is what a boundary is not.
            new = make_take(random, pool, 4.0)
        if kind in ("dissolve", "short dissolve", "cut") and random.random() < 0.3:
            _keep_moving(random, new)
        if kind in ("short dissolve", "cut") and random.random() < 0.15:
            whips.append(
                (
                    clock,
                    random.uniform(0.08, 0.3),
                    random.choice([-1.0, 1.0]) * random.uniform(0.5, 3),
                )
            )
        if kind in ("cut", "jump"):
            if kind == "cut" and random.random() < 0.08:
                flashes.append((clock, *_flash_cut(random, fps)))
            begin = clock = np.ceil(clock * fps) / fps
            mix, late = _blend_cut(random) if random.random() < 0.12 else (None, 0)
            joints.append((clock - 1e-4, clock + (1 / fps - 2e-4 if mix else 0), mix))
            marks.append(Mark("cut", clock + late / fps, clock + late / fps, kind))
        else:
            mix, seconds = make_joint(random, kind)
            seconds = max(seconds, 2.2 / fps)
            joints.append((clock, clock + seconds, mix))
            label = {"fade": "fade", "wipe": "wipe", "slide": "wipe"}.get(kind, "dissolve")
            marks.append(Mark(label, clock, clock + seconds, kind))
            begin, clock = clock, clock + seconds
        take = new
    changes = _place_events(random, clock, joints, events)
    changes += _open_and_close(random, clock, marks)
    changes += [("whip_joint", make_whip(r, p), at - r, at + r) for at, r, p in whips]
    changes += [("flash_cut", change, at - n, at + 1e-6) for at, n, change in flashes]
    return _render(random, fps, clock, takes, joints, changes, marks)


def _choose_length(random: np.random.Generator, fps: float, is_first: bool) -> float:
    """Seconds of a shot: mostly 1 to 4, some of less than one, a few of single frames."""
    chance = random.random()
    if chance < (0.1 if is_first else 0.03):
        return float(random.integers(1, 9)) / fps
    return float(random.uniform(0.3, 1.0) if chance < 0.22 else random.uniform(1, 4))


def _blend_cut(
    random: np.random.Generator,
) -> tuple[Callable[[Planes, Planes, float], Planes], int]:
    """One frame of both shots at a cut, mixed or in turn by lines, as converters leave it.

    The second value says how many frames later most of the picture is new.
    """
    if random.random() < 0.35:
        weight = np.zeros((72, 128), np.float32)
        weight[int(random.integers(2)) :: 2] = 1.0
        return lambda old, new, _: blend(old, new, weight), 0
    share = float(random.uniform(0.15, 0.85))
    return lambda old, new, _: blend(old, new, share), int(share < 0.5)


def _flash_cut(random: np.random.Generator, fps: float) -> tuple[float, Change]:
    """A few bright frames right before a cut, over what is left of the old shot."""
    tone, weight = make_tone(235.0), float(random.choice([1.0, random.uniform(0.4, 0.95)]))
    lasted = float(random.integers(1, 4)) / fps + 1e-3
    return min(lasted, 0.12), lambda picture, t: blend(picture, tone, weight)


def _place_events(
    random: np.random.Generator,
    end: float,
    joints: list,
    events: Callable[..., tuple[str, Change, float]],
) -> list[tuple[str, Change, float, float]]:
    placed = []
    for _ in range(int(random.poisson(1.6))):
        name, change, seconds = events(random)
        start = random.uniform(0, max(0.1, end - seconds))
        is_free = all(
            stop + 0.3 < start or begin > start + seconds + 0.3 for begin, stop, _ in joints
        )
        # Titles and insets may lie across a boundary, as they do in films; sudden light may not.
        if is_free or name in ("title", "inset", "noise", "bars"):
            placed.append((name, change, start, start + seconds))
    return placed


def _open_and_close(
    random: np.random.Generator, end: float, marks: list[Mark]
) -> list[tuple[str, Change, float, float]]:
    """Fades that open or end the video: no boundaries."""
    placed: list[tuple[str, Change, float, float]] = []
    for name, chance in (("fade_in", 0.12), ("fade_out", 0.12)):
        if random.random() >= chance:
            continue
        seconds, tone = (
            float(random.uniform(0.3, 1.8)),
            make_tone(float(random.choice([16.0, 16.0, 235.0]))),
        )
        start = 0.0 if name == "fade_in" else end - seconds
        if any(
            m.start_seconds < start + seconds + 0.3 and m.end_seconds > start - 0.3 for m in marks
        ):
            continue

        def change(
            picture: Planes,
            t: float,
            tone: Planes = tone,
            seconds: float = seconds,
            is_in: bool = name == "fade_in",
        ) -> Planes:
            part = t / seconds
            return blend(
                picture, tone, max(0.0, 1 - 1.15 * part) if is_in else min(1.0, 1.15 * part)
            )

        placed.append((name, change, start, start + seconds))
    return placed


def _render(
    random: np.random.Generator,
    fps: float,
    end: float,
    takes: list,
    joints: list,
    changes: list,
    marks: list[Mark],
) -> World:
    count = max(12, int(end * fps))
    seconds = np.arange(count) / fps
    luma, u, v = (
        np.empty((count, 72, 128), np.float32),
        np.empty((count, 36, 64), np.float32),
        np.empty((count, 36, 64), np.float32),
    )
    grain = random.choice([0.0, random.uniform(0.5, 5)], p=[0.6, 0.4])
    bars = int(random.choice([0, random.integers(4, 14)], p=[0.8, 0.2]))
    for i, t in enumerate(seconds):
        k = 0
        while k < len(joints) and t + 1e-6 >= joints[k][1]:
            k += 1
        take, begin, _ = takes[k]
        picture = take.show(t - begin)
        if k < len(joints) and joints[k][2] is not None and t > joints[k][0]:
            new, new_begin, _ = takes[k + 1]
            progress = (t - joints[k][0]) / (joints[k][1] - joints[k][0])
            picture = joints[k][2](picture, new.show(t - new_begin), float(progress))
        for _, change, start, stop in changes:
            if start <= t < stop:
                picture = change(picture, t - start)
        luma[i], u[i], v[i] = picture
        if grain:
            luma[i] += random.normal(0, grain, (72, 128))
        if bars:
            luma[i, :bars], luma[i, -bars:] = 16, 16
            (
                u[i, : bars // 2],
                u[i, -(bars // 2) or 64 :],
                v[i, : bars // 2],
                v[i, -(bars // 2) or 64 :],
            ) = 128, 128, 128, 128
    planes = [np.clip(np.rint(plane), 0, 255).astype(np.uint8) for plane in (luma, u, v)]
    events = [(name, start, stop) for name, _, start, stop in changes]
    return World(planes[0], planes[1], planes[2], seconds, marks, events)
