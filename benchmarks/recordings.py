"""What recording, broadcasting and scanning do to a whole mixed video."""

from __future__ import annotations

import dataclasses
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from benchmarks.drawings import draw_stretch
from benchmarks.takes import sample_positions
from benchmarks.transition_world import World
from internvid.evaluation.benchmarks.shot_metrics import Mark


def compress(world: World, crf: int, key_interval: int = 250) -> World:
    """The same video after x264, one generation; short key intervals make its quality pump."""
    import av

    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt = 128, 72, "yuv420p"
    encoder.time_base, encoder.framerate = Fraction(1, 90000), Fraction(30)
    encoder.thread_count = 1
    encoder.options = {"crf": str(crf), "preset": "veryfast", "g": str(key_interval)}
    packets = []
    for i in range(len(world.seconds)):
        frame = av.VideoFrame(128, 72, "yuv420p")
        for plane, values in zip(
            frame.planes, (world.luma[i], world.u[i], world.v[i]), strict=True
        ):
            padded = np.zeros((plane.height, plane.line_size), np.uint8)
            padded[:, : plane.width] = values
            plane.update(padded.tobytes())
        frame.pts = i * 3000
        packets += encoder.encode(frame)
    packets += encoder.encode(None)
    decoder = av.CodecContext.create("h264", "r")
    decoder.extradata = encoder.extradata
    decoder.thread_count = 1
    decoded = [frame for packet in [*packets, None] for frame in decoder.decode(packet)]
    read: list[list[npt.NDArray[np.uint8]]] = [[], [], []]
    for picture in decoded:
        for planes, plane in zip(read, picture.planes, strict=True):
            rows = np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)
            planes.append(rows[:, : plane.width])
    luma, u, v = (np.stack(planes) for planes in read)
    return dataclasses.replace(world, luma=luma, u=u, v=v, seconds=world.seconds[: len(luma)])


def _take_frames(world: World, kept: npt.NDArray[np.int64]) -> World:
    return dataclasses.replace(
        world,
        luma=world.luma[kept],
        u=world.u[kept],
        v=world.v[kept],
        seconds=world.seconds[kept],
    )


def thin(random: np.random.Generator, world: World) -> World:
    """Only some frames, as a scan that skips frames sees them.

    Cuts move to the first frame that is left of their shot: nobody can place them closer.
    Videos of few frames a second are left alone, for nothing skips frames of those.
    """
    step = float(np.median(np.diff(world.seconds)))
    if step > 1 / 14:
        return world
    pattern = int(random.choice([2, 3, 4] if step < 1 / 22 else [2]))
    number = np.arange(len(world.seconds))
    chance = random.random()
    if chance < 0.4:
        kept = number % pattern == 0
    elif chance < 0.7:
        kept = (number % pattern == 0) | (random.random(len(number)) < 0.2)
    else:
        # Runs of skipped frames of changing length, as adaptive B frames leave them.
        gaps = random.integers(1, pattern + 1, len(number))
        kept = np.isin(number, np.cumsum(gaps) - gaps[0])
    thinned = _take_frames(world, np.flatnonzero(kept))
    return dataclasses.replace(thinned, marks=[_settle(m, thinned.seconds) for m in world.marks])


def _settle(mark: Mark, seconds: npt.NDArray[np.float64]) -> Mark:
    """A cut, moved to the first frame shown at or after it."""
    if mark.kind != "cut":
        return mark
    place = min(int(np.searchsorted(seconds, mark.start_seconds - 1e-3)), len(seconds) - 1)
    return dataclasses.replace(
        mark, start_seconds=float(seconds[place]), end_seconds=float(seconds[place])
    )


def repeat(random: np.random.Generator, world: World) -> World:
    """The video at a higher frame rate, some frames shown twice: film on television."""
    step = float(np.median(np.diff(world.seconds)))
    share = float(random.choice([0.8, 0.5, 0.4, 0.834]))
    if step * share < 1 / 61:
        return world
    number = np.arange(int(len(world.seconds) / share))
    source = np.minimum((number * share + 1e-6).astype(np.int64), len(world.seconds) - 1)
    repeated = dataclasses.replace(_take_frames(world, source), seconds=number * step * share)
    return dataclasses.replace(repeated, marks=[_settle(m, repeated.seconds) for m in world.marks])


def cover(random: np.random.Generator, world: World) -> World:
    """A still graphic beside or below the picture, as in news, games and lectures."""
    drawn = draw_stretch(random, str(random.choice(["page", "texture"])))
    rows = sample_positions(drawn.luma.shape[1], 72)
    columns = sample_positions(drawn.luma.shape[2], 128)
    graphic = drawn.luma[0][rows[:, None], columns[None, :]]
    mask = np.zeros((72, 128), bool)
    rows_taken, columns_taken = (
        2 * int(random.integers(6, 14)),
        2 * int(random.integers(10, 24)),
    )
    style = str(random.choice(["side", "banner", "both", "pillars"]))
    if style in ("side", "both"):
        mask[:, :columns_taken] = True
    if style in ("banner", "both"):
        mask[-rows_taken:] = True
    if style == "pillars":
        mask[:, :columns_taken] = mask[:, -columns_taken:] = True
    if random.random() < 0.5:
        mask = mask[:, ::-1]
    small = mask[::2, ::2]
    luma, u, v = world.luma.copy(), world.u.copy(), world.v.copy()
    is_black = style == "pillars" and random.random() < 0.6
    luma[:, mask] = 16 if is_black else graphic[mask]
    tones = (128, 128) if is_black else random.integers(90, 166, 2)
    u[:, small], v[:, small] = tones
    return dataclasses.replace(world, luma=luma, u=u, v=v)


def soften(world: World) -> World:
    """A soft picture: small sources blown up."""
    luma = world.luma.astype(np.float32)
    for axis in (1, 2):
        luma = (np.roll(luma, 1, axis=axis) + 2 * luma + np.roll(luma, -1, axis=axis)) / 4
    return dataclasses.replace(world, luma=np.rint(luma).astype(np.uint8))


def age(random: np.random.Generator, world: World) -> World:
    """Old film: grey or faded, unsteady in light and place, scratched."""
    count = len(world.seconds)
    gains = random.normal(1, random.uniform(0.01, 0.06), count).astype(np.float32)
    luma = 16 + (world.luma.astype(np.float32) - 16) * gains[:, None, None]
    fade = float(random.choice([0.0, 0.0, 0.5]))
    u, v = (np.rint(128 + (p.astype(np.float32) - 128) * fade) for p in (world.u, world.v))
    sway = random.random() < 0.5
    for i in range(count):
        if sway:
            luma[i] = np.roll(luma[i], int(random.integers(-1, 2)), axis=0)
        for _ in range(int(random.poisson(0.7))):
            x, y = int(random.integers(0, 127)), int(random.integers(0, 66))
            if random.random() < 0.3:
                luma[i, :, x] = random.choice([30.0, 220.0])
            else:
                luma[i, y : y + 4, x : x + 3] = random.choice([20.0, 230.0])
    planes = [np.clip(np.rint(p), 0, 255).astype(np.uint8) for p in (luma, u, v)]
    return dataclasses.replace(world, luma=planes[0], u=planes[1], v=planes[2])


def darken(random: np.random.Generator, world: World) -> World:
    """Low light: little contrast, noise in brightness and colour that changes with every frame."""
    share, strength = random.uniform(0.15, 0.5), random.uniform(2, 9)
    planes = []
    for plane, level, scale in ((world.luma, 16, 1.0), (world.u, 128, 0.6), (world.v, 128, 0.6)):
        dark = level + (plane.astype(np.float32) - level) * share
        dark += random.normal(0, strength * scale, plane.shape).astype(np.float32)
        planes.append(np.clip(np.rint(dark), 0, 255).astype(np.uint8))
    return dataclasses.replace(world, luma=planes[0], u=planes[1], v=planes[2])


def record(random: np.random.Generator, world: World) -> World:
    """The video as it would reach a scan: some of all this, in the order of real life."""
    if random.random() < 0.05:
        world = age(random, world)
    if random.random() < 0.06:
        world = darken(random, world)
    if random.random() < 0.1:
        world = soften(world)
    if random.random() < 0.1:
        world = cover(random, world)
    if random.random() < 0.1:
        world = repeat(random, world)
    if random.random() < 0.55:
        interval = int(random.choice([12, 30, 60, 250]))
        world = compress(world, int(random.integers(20, 46)), interval)
    if random.random() < 0.25:
        world = thin(random, world)
    return world
