"""Fits `internvid.scan.transitions.classifiers` on mixed footage and says how well they do.

    python -m benchmarks.fit_detector --media FOLDER --worlds 900 [--write]

Footage is divided by scene into halves: one to fit on, one to validate on; hand-marked files
stand in neither. `--write` replaces the weight module by judges fitted on both halves; what is
printed is of judges fitted on one half and tested on the other. The shipped ones were made by
`--worlds 900 --write`; every seed is fixed below.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.distractors import make_events
from benchmarks.recordings import record
from benchmarks.takes import Stretch, group_of, list_single_shots, load_stretch, render_stretches
from benchmarks.transition_world import World, make_world
from internvid.core.types import Timeline
from internvid.evaluation.benchmarks.shot_metrics import (
    SCORED_KINDS,
    BoundaryCounts,
    Mark,
    list_boundaries,
    match_marks,
    score_boundaries,
)
from internvid.scan.transitions.classifiers import FARTHEST, Classifier, Classifiers
from internvid.scan.transitions.gradual import GRADUAL_FEATURES
from internvid.scan.transitions.hard_cuts import CUT_FEATURES
from internvid.scan.transitions.observer import TransitionObserver
from internvid.shots.default import DefaultDetector

Array = npt.NDArray[np.float32]
STEPS, MEMBERS, BATCH = 2500, 4, 512
RENDERED_SEEDS = (9001, 9002)
# Too near to what bodies and cameras do within a shot: judges that learned them found dissolves
# in real footage that has none. They still count where judges are validated.
NOT_FITTED = ("near dissolve", "zoom")
SEEDS = ((11, 33), (22, 44))  # of each half: ordinary videos, eventful ones
VALIDATED_WORLDS = 300
WEIGHTS = Path(__file__).parent.parent / "internvid" / "scan" / "weights.py"


@dataclass
class PlaneBatch:
    """Consecutive small pictures in the form observers take them."""

    luma: Array
    u: Array
    v: Array
    pts_seconds: npt.NDArray[np.float64]
    luma_half: Array
    u_half: Array
    v_half: Array


@dataclass
class Samples:
    """Candidates of one judge: features [C, F], class [C] (-1: not used)."""

    features: Array
    labels: npt.NDArray[np.int64]


def to_batch(world: World) -> PlaneBatch:
    """A whole mixed video as one batch."""
    luma, u, v = (plane.astype(np.float32) for plane in (world.luma, world.u, world.v))
    half = (luma[:, ::2, ::2] + luma[:, 1::2, ::2] + luma[:, ::2, 1::2] + luma[:, 1::2, 1::2]) / 4
    half = np.rint(half)
    return PlaneBatch(luma, u, v, world.seconds, half, u, v)


def divide(media: Path) -> tuple[list[Stretch], list[Stretch]]:
    """Single shots by scene, real and rendered: (to fit on, to validate on)."""
    halves: tuple[list[Stretch], list[Stretch]] = ([], [])
    for path in list_single_shots(media):
        side = hashlib.sha256(group_of(path.name).encode()).digest()[0] % 2
        halves[side].extend(load_stretch(path))
    for half, seed in zip(halves, RENDERED_SEEDS, strict=True):
        half.extend(render_stretches(seed))
    return halves


def make_worlds(
    pool: Sequence[Stretch], count: int, seed: int, *, is_eventful: bool = False
) -> Iterator[World]:
    """Mixed videos, recorded in all kinds of ways."""
    events = make_events(list(pool))
    for number in range(count):
        random = np.random.default_rng([seed, number])
        world = make_world(random, list(pool), events, is_eventful=is_eventful)
        yield record(random, world)


def _make_both(pool: Sequence[Stretch], count: int, seeds: tuple[int, int]) -> Iterator[World]:
    """Videos full of boundaries, and two thirds as many full of what is none."""
    yield from make_worlds(pool, count, seeds[0])
    yield from make_worlds(pool, count * 2 // 3, seeds[1], is_eventful=True)


def label_cut(seconds: float, step: float, marks: Sequence[Mark]) -> int:
    """1 at the first frame of a new shot, 0 elsewhere, -1 where either answer would do."""
    answer = 0
    for mark in marks:
        if mark.kind == "cut":
            if mark.start_seconds - 1e-3 <= seconds <= mark.start_seconds + step - 1e-3:
                return 1
            if abs(seconds - mark.start_seconds) < 0.1:
                answer = -1
            continue
        is_short = mark.end_seconds - mark.start_seconds <= max(0.25, 1.5 * step)
        is_inside = mark.start_seconds - 0.1 <= seconds <= mark.end_seconds + 0.1
        if is_inside and (is_short or mark.kind == "fade"):
            answer = -1
    return answer


def label_gradual(centre: float, length: float, marks: Sequence[Mark]) -> int:
    """Class of a window: 1 dissolve, 2 wipe, 3 fade if it fits one; -1 if it fits half."""
    for mark in marks:
        if mark.kind == "cut":
            continue
        lasted = mark.end_seconds - mark.start_seconds
        middle = (mark.start_seconds + mark.end_seconds) / 2
        if abs(centre - middle) <= max(0.2 * lasted, 0.06) and 0.55 <= length / lasted <= 1.9:
            return (
                -1 if mark.note in NOT_FITTED else {"dissolve": 1, "wipe": 2, "fade": 3}[mark.kind]
            )
        if mark.start_seconds - 0.2 <= centre <= mark.end_seconds + 0.2:
            return -1
    return 0


Rows = dict[str, list[tuple[Array, npt.NDArray[np.int64]]]]


def _collect_one(world: World, rows: Rows) -> None:
    def keep(
        name: str,
        at: npt.NDArray[np.float64],
        lengths: npt.NDArray[np.float64],
        features: Array,
    ) -> None:
        if name == "cut":
            frames = at.astype(int)
            times = world.seconds[frames]
            steps = times - world.seconds[np.maximum(frames - 1, 0)]
            labels = [label_cut(t, s, world.marks) for t, s in zip(times, steps, strict=True)]
        else:
            labels = [label_gradual(c, n, world.marks) for c, n in zip(at, lengths, strict=True)]
        rows[name].append((features, np.array(labels, np.int64)))

    observer = TransitionObserver(judges=_make_blind(), _on_candidates=keep)
    observer.observe(to_batch(world))
    observer.finish()


def _make_blind() -> Classifiers:
    """Classifiers that find nothing: samples must not depend on what was shipped before."""

    def make(features: int, classes: int) -> Classifier:
        none = np.zeros((features, 1), np.float32)
        answer = np.where(np.arange(classes) == 0, 20.0, 0.0).astype(np.float32)
        return Classifier(
            none[:, 0], none[:, 0] + 1, none, none[0], np.zeros((1, classes), np.float32), answer
        )

    return Classifiers(make(len(CUT_FEATURES), 2), make(len(GRADUAL_FEATURES), 4))


def collect(worlds: Iterable[World]) -> dict[str, Samples]:
    """Features and truth of every candidate of every video."""
    rows: Rows = {"cut": [], "gradual": []}
    for world in worlds:
        _collect_one(world, rows)
    found = {}
    for name, parts in rows.items():
        features = np.concatenate([p[0] for p in parts])
        found[name] = Samples(features, np.concatenate([p[1] for p in parts]))
    return found


def fit_judge(samples: Samples, hidden: int, classes: int, noise: float) -> Classifier:
    """The mean of `MEMBERS` networks, written as one network with all their cells.

    Each starts elsewhere and sees other samples; they are fitted side by side, by Adam with
    weight decay on all usable samples.
    """
    import torch

    used = samples.labels >= 0
    features, labels = samples.features[used], samples.labels[used]
    mean, scale = features.mean(axis=0), features.std(axis=0) + 1e-3
    inputs = torch.tensor(np.clip((features - mean) / scale, -FARTHEST, FARTHEST))
    targets = torch.tensor(labels)
    # One thread, so that the order of sums, and with it every digit, is the same anywhere.
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(0)
    count = features.shape[1]
    parts = []
    for shape, reach in (
        ((MEMBERS, count, hidden), count),
        ((MEMBERS, 1, hidden), count),
        ((MEMBERS, hidden, classes), hidden),
        ((MEMBERS, 1, classes), hidden),
    ):
        part = torch.empty(shape).uniform_(-(reach**-0.5), reach**-0.5, generator=generator)
        parts.append(part.requires_grad_())
    first, first_bias, second, second_bias = parts
    optimizer = torch.optim.AdamW(parts, lr=1e-2, weight_decay=0.03)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
    for _ in range(STEPS):
        rows = torch.randint(len(targets), (MEMBERS * BATCH,), generator=generator)
        # Noise on the inputs keeps the judge from leaning on exact values of this footage.
        noisy = inputs[rows] + noise * torch.randn(len(rows), count, generator=generator)
        cells = torch.tanh(torch.baddbmm(first_bias, noisy.view(MEMBERS, BATCH, count), first))
        logits = torch.baddbmm(second_bias, cells, second).reshape(-1, classes)
        loss = torch.nn.functional.cross_entropy(logits, targets[rows], label_smoothing=0.01)
        optimizer.zero_grad()
        (loss * MEMBERS).backward()
        optimizer.step()
        schedule.step()
    found = [part.detach().numpy() for part in parts]
    return Classifier(
        mean.astype(np.float32),
        scale.astype(np.float32),
        np.concatenate(list(found[0]), axis=1),
        np.concatenate([bias[0] for bias in found[1]]),
        np.concatenate(list(found[2])) / np.float32(MEMBERS),
        np.mean([bias[0] for bias in found[3]], axis=0, dtype=np.float32),
    )


def format_judge(name: str, judge: Classifier) -> str:
    """Source text of a judge: whole-number steps, a few digits each."""
    parts = []
    for array in (
        judge.mean,
        judge.scale,
        judge.first,
        judge.first_bias,
        judge.second,
        judge.second_bias,
    ):
        step = float(f"{np.abs(array).max() / 2000:.3g}") or 1.0
        steps = np.rint(array / step).astype(int).tolist()
        parts.append(f"({step!r}, {json.dumps(steps, separators=(',', ':'))})")
    return f"{name}: Table = (" + ", ".join(parts) + ")\n"


def write_weights(judges: Classifiers) -> None:
    """Replace the weight module."""
    head = '"""Numbers of the judges: (step, whole steps); see `benchmarks/fit_detector.py`."""\n\n'
    head = "# ruff: noqa: E501\n" + head
    head += "Row = tuple[float, list[int] | list[list[int]]]\n"
    head += "Table = tuple[Row, Row, Row, Row, Row, Row]\n\n# fmt: off\n"
    WEIGHTS.write_text(
        head + format_judge("CUT", judges.cut) + format_judge("GRADUAL", judges.gradual)
    )


def measure_loss(judge: Classifier, samples: Samples) -> float:
    """Mean negative log likelihood of the usable samples."""
    used = samples.labels >= 0
    chances = judge.probabilities(samples.features[used])[
        np.arange(int(used.sum())), samples.labels[used]
    ]
    return float(-np.log(np.maximum(chances, 1e-6)).mean())


def make_timeline(world: World, judges: Classifiers) -> Timeline:
    """Timeline of a mixed video, stored as a scan stores it."""
    observer = TransitionObserver(judges=judges)
    observer.observe(to_batch(world))
    values = observer.finish()
    stored = {name: observer.columns[name].encode(values[name]) for name in values}
    pts = np.rint(world.seconds * 90000).astype(np.int64)
    end = float(world.seconds[-1]) + 0.04
    return Timeline("", pts, Fraction(1, 90000), end, stored, observer.columns)


def validate(worlds: Iterable[World], judges: Classifiers) -> str:
    """Table of found, false and missed boundaries, by kind of joint."""
    detector, total = DefaultDetector(), BoundaryCounts()
    wanted: Counter[str] = Counter()
    found: Counter[str] = Counter()
    false: Counter[str] = Counter()
    for world in worlds:
        shots = detector.detect(make_timeline(world, judges))[1:]
        boundaries = list_boundaries(shots)
        total += score_boundaries(boundaries, world.marks)
        matched = match_marks(boundaries, world.marks)
        wanted.update(m.note for m in world.marks if m.kind in SCORED_KINDS)
        found.update(world.marks[k].note for k in matched.values())
        false.update(shots[k].transition for k in range(len(boundaries)) if k not in matched)
    lines = [f"F1 {total.f1:.3f}  found {total.found}  false {total.false}  missed {total.missed}"]
    lines += [f"  {kind:16s} {found[kind]}/{wanted[kind]}" for kind in sorted(wanted)]
    return "\n".join([*lines, f"  reported for nothing (fades too): {dict(false)}"])


def fit_judges(samples: Sequence[dict[str, Samples]]) -> Classifiers:
    """Both judges, from the samples of one or more sets of worlds."""
    joined = {}
    for name in ("cut", "gradual"):
        parts = [part[name] for part in samples]
        features = np.concatenate([part.features for part in parts])
        joined[name] = Samples(features, np.concatenate([part.labels for part in parts]))
    cut = fit_judge(joined["cut"], hidden=20, classes=2, noise=0.2)
    return Classifiers(cut, fit_judge(joined["gradual"], hidden=24, classes=4, noise=0.25))


def main() -> None:
    """Fit on one half, validate on the other, and write the weights of both if asked."""
    parser = argparse.ArgumentParser(description="Fit the judges of shot transitions.")
    parser.add_argument("--media", type=Path, required=True)
    parser.add_argument("--worlds", type=int, default=400, help="mixed videos of each half")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    halves = divide(options.media)
    fitted, held = (
        collect(_make_both(half, options.worlds, seeds))
        for half, seeds in zip(halves, SEEDS, strict=True)
    )
    if options.write:
        write_weights(fit_judges([fitted, held]))
    judges = fit_judges([fitted])
    for name, judge in (("cut", judges.cut), ("gradual", judges.gradual)):
        losses = measure_loss(judge, fitted[name]), measure_loss(judge, held[name])
        print(f"{name}: loss {losses[0]:.4f} where fitted, {losses[1]:.4f} on unseen scenes")
    # Made anew: hundreds of videos are a minute of work, but gigabytes.
    print(validate(_make_both(halves[1], min(options.worlds, VALIDATED_WORLDS), SEEDS[1]), judges))


if __name__ == "__main__":
    main()
