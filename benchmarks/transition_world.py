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

from benchmarks.casting import keep_moving, make_take
from benchmarks.joints import Change, Mix, blend, make_joint, make_tone, make_whip
from benchmarks.takes import Planes, Stretch, Take
from internvid.evaluation.benchmarks.shot_metrics import Mark

FloatArray = npt.NDArray[np.float32]
RATES = (5.0, 8.0, 10.0, 12.0, 15.0, 20.0, 23.976, 24.0, 25.0, 25.0, 29.97, 30.0, 30.0, 50.0, 59.94)
KIND_SHARES = {
    "cut": 0.34,
    "jump": 0.1,
    "dissolve": 0.19,
    "near dissolve": 0.05,
    "short dissolve": 0.07,
    "fade": 0.07,
    "wipe": 0.09,
    "slide": 0.05,
    "zoom": 0.02,
    "flare": 0.02,
}
KINDS, KIND_WEIGHTS = tuple(KIND_SHARES), tuple(KIND_SHARES.values())
NEAR = ("jump", "near dissolve")


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


@dataclass
class _Script:
    """A video as it is drawn up, shot by shot.

    Attributes:
        takes: (take, begin, end), in seconds. joints: (begin, end, mix or None), one fewer.
        marks: true boundaries.
        changes: (name, change, begin, end) of what else happens around joints.
        clock: seconds drawn up so far.
    """

    fps: float
    takes: list[tuple[Take, float, float]] = field(default_factory=list)
    joints: list[tuple[float, float, Mix | None]] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)
    changes: list[tuple[str, Change, float, float]] = field(default_factory=list)
    clock: float = 0.0

    def cut(self, random: np.random.Generator, kind: str) -> float:
        """End a shot at the next frame; seconds at which the new take begins."""
        begin = float(np.ceil(self.clock * self.fps) / self.fps)
        mix, late = _blend_cut(random) if random.random() < 0.12 else (None, 0)
        end = begin + (1 / self.fps - 2e-4 if mix else 0)
        self.joints.append((begin - 1e-4, end, mix))
        at = begin + late / self.fps
        self.marks.append(Mark("cut", at, at, kind))
        self.clock = begin
        return begin

    def change_over(self, random: np.random.Generator, kind: str) -> float:
        """Let one shot turn into another; seconds at which the new take begins."""
        begin = self.clock
        mix, seconds = make_joint(random, kind)
        end = begin + max(seconds, 2.2 / self.fps)
        self.joints.append((begin, end, mix))
        label = {"fade": "fade", "wipe": "wipe", "slide": "wipe"}.get(kind, "dissolve")
        self.marks.append(Mark(label, begin, end, kind))
        self.clock = end
        return begin

    def disturb(self, random: np.random.Generator, kind: str) -> None:
        """Sometimes a whip pan across a joint that begins now, or a flash before it."""
        at = self.clock
        if kind in ("short dissolve", "cut") and random.random() < 0.15:
            reach = random.uniform(0.08, 0.3)
            pace = random.choice([-1.0, 1.0]) * random.uniform(0.5, 3)
            self.changes.append(("whip_joint", make_whip(reach, pace), at - reach, at + reach))
        if kind == "cut" and random.random() < 0.08:
            lasted, change = _flash_cut(random, self.fps)
            self.changes.append(("flash_cut", change, at - lasted, at + 1e-6))


def make_world(
    random: np.random.Generator,
    pool: list[Stretch],
    events: Callable[..., tuple[str, Change, float]],
    *,
    is_eventful: bool = False,
) -> World:
    """One video of 6 to 16 s.

    Args:
        random: source of everything.
        pool: footage to draw from.
        events: makes one (name, change of a picture at seconds since its start, length).
        is_eventful: few boundaries, long shots, and much that is no boundary.
    """
    script = _Script(float(random.choice(RATES)))
    # A take that holds each picture for long is a slide show: its steps look like jump cuts.
    pool = [stretch for stretch in pool if stretch.fps >= min(12.0, 0.6 * script.fps)]
    take, begin, burst = make_take(random, pool, 4.0), 0.0, 0
    while True:
        burst = int(random.integers(3, 10)) if random.random() < 0.06 else burst - 1
        if is_eventful:
            burst = 0
            script.clock += float(random.uniform(2, 7))
        else:
            script.clock += _choose_length(random, script.fps, len(script.takes), burst > 0)
        script.takes.append((take, begin, script.clock))
        if len(script.takes) > 1 and script.clock > random.uniform(5, 14):
            break
        kind = "cut" if burst > 0 else str(random.choice(KINDS, p=KIND_WEIGHTS))
        if kind in NEAR and take.stretch.name.startswith("scroll"):
            kind = "cut"  # another place of a page that scrolls is no other shot
        new = _choose_next(random, pool, take, kind)
        script.disturb(random, kind)
        begin = (script.cut if kind in ("cut", "jump") else script.change_over)(random, kind)
        take = new
    script.changes += _place_events(random, script, events, is_eventful=is_eventful)
    script.changes += _open_and_close(random, script.clock, script.marks)
    return _render(random, script)


def _choose_next(random: np.random.Generator, pool: list[Stretch], take: Take, kind: str) -> Take:
    """The take that follows another by some joint."""
    near = take if kind in NEAR else None
    # In a dissolve, other colours alone are what a change of light is.
    new = make_take(random, pool, 4.0, near, may_recolour=kind == "jump")
    while kind not in NEAR and new.stretch is take.stretch:
        # The same picture in another light is what a boundary is not.
        new = make_take(random, pool, 4.0)
    if kind in ("dissolve", "short dissolve", "cut") and random.random() < 0.3:
        keep_moving(random, new)
    return new


def _choose_length(random: np.random.Generator, fps: float, place: int, is_burst: bool) -> float:
    """Seconds of a shot: mostly 1 to 4, some of less than one, a few of single frames."""
    if is_burst:
        return float(max(2 / fps, random.uniform(0.12, 0.5)))
    chance = random.random()
    if chance < (0.03 if place else 0.1):
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
    script: _Script,
    events: Callable[..., tuple[str, Change, float]],
    *,
    is_eventful: bool,
) -> list[tuple[str, Change, float, float]]:
    """Things that are no boundary, at random places; some find none and are left out."""
    placed, end = [], script.clock
    for _ in range(int(random.poisson(5.0 if is_eventful else 1.6))):
        name, change, seconds = events(random)
        for _ in range(6 if is_eventful else 1):
            start = random.uniform(0, max(0.1, end - seconds))
            is_free = all(
                stop + 0.3 < start or begin > start + seconds + 0.3
                for begin, stop, _ in script.joints
            )
            # Titles and insets may lie across a boundary, as in films; sudden light may not.
            if is_free or name in ("title", "inset", "noise", "bars"):
                placed.append((name, change, start, start + seconds))
                break
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


def _render(random: np.random.Generator, script: _Script) -> World:
    """The pictures of a script, with grain and black bars as footage may have them."""
    count = max(12, int(script.clock * script.fps))
    seconds = np.arange(count) / script.fps
    shapes = ((count, 72, 128), (count, 36, 64), (count, 36, 64))
    planes = [np.empty(shape, np.float32) for shape in shapes]
    grain = random.choice([0.0, random.uniform(0.5, 5)], p=[0.6, 0.4])
    bars = 2 * int(random.choice([0, random.integers(2, 8)], p=[0.8, 0.2]))
    for i, t in enumerate(seconds):
        for plane, values in zip(planes, _show(script, float(t)), strict=True):
            plane[i] = values
    if grain:
        planes[0] += random.normal(0, grain, shapes[0])
    if bars:
        for plane, level, size in zip(
            planes, (16, 128, 128), (bars, bars // 2, bars // 2), strict=True
        ):
            plane[:, :size] = plane[:, -size:] = level
    luma, u, v = (np.clip(np.rint(plane), 0, 255).astype(np.uint8) for plane in planes)
    events = [(name, start, stop) for name, _, start, stop in script.changes]
    return World(luma, u, v, seconds, script.marks, events)


def _show(script: _Script, t: float) -> Planes:
    """The picture of a script at an instant."""
    joints, k = script.joints, 0
    while k < len(joints) and t + 1e-6 >= joints[k][1]:
        k += 1
    take, begin, _ = script.takes[k]
    picture = take.show(t - begin)
    if k < len(joints):
        start, stop, mix = joints[k]
        if mix is not None and t > start:
            new, new_begin, _ = script.takes[k + 1]
            picture = mix(picture, new.show(t - new_begin), (t - start) / (stop - start))
    for _, change, start, stop in script.changes:
        if start <= t < stop:
            picture = change(picture, t - start)
    return picture
