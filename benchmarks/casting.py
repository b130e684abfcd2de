"""Which footage a shot shows, and how: crop, camera move, light, pace."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from benchmarks.drawings import draw_stretch
from benchmarks.takes import Stretch, Take, group_of


def make_path(random: np.random.Generator, seconds: float) -> npt.NDArray[np.float64]:
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
    random: np.random.Generator,
    pool: list[Stretch],
    seconds: float,
    near: Take | None = None,
    *,
    may_recolour: bool = True,
) -> Take:
    """A random take; with `near`, one of the same scene that is visibly another shot.

    `may_recolour`: whether other colours alone may be what sets the two apart.
    """
    if near is not None:
        stretch = near.stretch
    elif random.random() < 0.14:
        stretch = draw_stretch(
            random,
            str(random.choice(["page", "shapes", "texture", "scroll"], p=[0.3, 0.3, 0.2, 0.2])),
        )
    else:
        groups = sorted({group_of(f.name) for f in pool})
        group = groups[int(random.integers(len(groups)))]
        scene = [f for f in pool if group_of(f.name) == group]
        stretch = scene[int(random.integers(len(scene)))]
    length = len(stretch.luma) / stretch.fps
    take = Take(stretch, random.uniform(0, length), seconds, make_path(random, seconds))
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
        take.held_fps = float(random.choice([3, 4, 5, 8, 10, 12, 15]))
        if random.random() < 0.4 and take.held_fps > 8:
            take.speed = float(random.uniform(1.5, 3))
    if random.random() < 0.06:
        take.updates = _make_stalls(random)
        take.speed = min(take.speed, 1.5)
    if random.random() < 0.15:
        take.shake = np.cumsum(random.normal(0, 0.012, (97, 2)), axis=0) * 0.6 + random.normal(
            0, 0.012, (97, 2)
        )
        take.shake -= take.shake.mean(axis=0)
    if near is not None:
        _set_apart(random, take, near, may_recolour=may_recolour)
    return take


def _make_stalls(random: np.random.Generator) -> npt.NDArray[np.float64]:
    """Instants at which a picture that stalls again and again is renewed, for 8 s."""
    instants, clock = [0.0], 0.0
    while clock < 8.0:
        until = clock + float(random.uniform(0.1, 1.2))
        while clock < until:
            clock += 1 / 30
            instants.append(clock)
        clock += float(random.uniform(0.1, 0.8))
        instants.append(clock)
    return np.array(instants)


def _set_apart(random: np.random.Generator, take: Take, near: Take, *, may_recolour: bool) -> None:
    """Give a take the light of another and a visibly different crop: a jump cut."""
    take.gain, take.gamma, take.chroma = near.gain, near.gamma, near.chroma
    take.is_mirrored = not near.is_mirrored if random.random() < 0.3 else near.is_mirrored
    if may_recolour and random.random() < 0.3:
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
        take.path = make_path(random, take.seconds)
        is_moved = np.abs(take.path[0, :2] - last[:2]).max() > 0.2 * last[2]
        if is_moved or abs(take.path[0, 2] - last[2]) > 0.25:
            break


def keep_moving(random: np.random.Generator, take: Take) -> None:
    """Let the crop travel all through the take, so that joints fall into motion."""
    size = random.uniform(0.35, 0.65)
    places = random.uniform(size / 2, 1 - size / 2, (int(random.integers(2, 5)), 2))
    take.path = np.column_stack([places, random.uniform(0.8, 1.2, len(places)) * size])
