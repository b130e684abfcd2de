"""Finds room for distractors inside the shots of a planned video."""

import numpy as np

from internvid.synthetic.scripts.video_plan import EventPlan, TransitionPlan, VideoPlan

TITLES: tuple[str, ...] = (
    "Chapter One",
    "The Journey",
    "Far Away",
    "One Morning",
    "Colours",
    "Part Two",
    "At Last",
    "Homeward",
)
MARGIN_SECONDS = 0.6
"""A distractor keeps this distance from the ends of the clean part of its shot."""
SHORTEST_SECONDS = 1.8
"""Shots with a shorter clean part get none."""


def place_events(
    plan: VideoPlan, kinds: tuple[str, ...], rng: np.random.Generator
) -> tuple[EventPlan, ...]:
    """Put at most one distractor into a shot, and fades at the ends of the video.

    Args:
        plan: a video without events.
        kinds: what to place, see `EventPlan.kind`; what finds no room is left out.
        rng: source of randomness.

    Returns:
        Events in order of time.
    """
    fps = float(plan.fps)
    free = {
        index
        for index, shot in enumerate(plan.shots)
        if shot.kind == "scene" and shot.frames >= SHORTEST_SECONDS * fps and shot.tint is None
    }
    events = []
    for kind in kinds:
        candidates = sorted(index for index in free if _fits(plan, kind, index))
        if not candidates:
            continue
        index = candidates[int(rng.integers(len(candidates)))]
        free.discard(index)
        events.append(_event(plan, kind, index, rng))
    return tuple(sorted(events, key=lambda event: event.first_frame))


def _fits(plan: VideoPlan, kind: str, index: int) -> bool:
    last = len(plan.shots) - 1
    if kind == "fade_in":
        return index == 0
    if kind == "fade_out":
        return index == last
    if kind == "light_change":
        is_free = (
            plan.shots[index].camera.kind in ("static", "zoom", "pan")
            and plan.shots[index].camera.speed < 0.2
        )
        return is_free and (index == last or plan.transitions[index] == TransitionPlan("cut"))
    return index > 0 or kind != "title"


def _event(plan: VideoPlan, kind: str, index: int, rng: np.random.Generator) -> EventPlan:
    fps = float(plan.fps)
    start = plan.clean_starts[index]
    end = start + plan.shots[index].frames
    margin = round(MARGIN_SECONDS * fps)
    if kind == "fade_in":
        return EventPlan(kind, 0, round(rng.uniform(0.4, 0.8) * fps) - 1, index, 0.0, "", 0)
    if kind == "fade_out":
        return EventPlan(kind, end - round(rng.uniform(0.4, 0.8) * fps), end - 1, index, 0.0, "", 0)
    if kind == "light_change":
        dark = plan.theme == "night"
        first = start + round((end - start) * rng.uniform(0.35, 0.5))
        ramp = round(rng.uniform(0.25, 0.6) * fps)
        return EventPlan(
            kind,
            first,
            end - 1,
            index,
            1.9 if dark else 0.5,
            "brighter" if dark else "darker",
            ramp,
        )
    if kind == "title":
        words = TITLES[int(rng.integers(len(TITLES)))]
        return EventPlan(
            kind, start + margin // 2, end - margin // 2 - 1, index, 1.0, words, round(0.35 * fps)
        )
    if kind == "flash":
        length = int(rng.integers(1, 5))
        first = int(rng.integers(start + margin, end - margin - length))
        return EventPlan(
            kind, first, first + length - 1, index, round(float(rng.uniform(0.75, 1.0)), 2), "", 0
        )
    length = int(rng.integers(6, 12))
    first = int(rng.integers(start + margin, end - margin - length + 1))
    side = "left" if rng.random() < 0.5 else "right"
    return EventPlan(
        kind, first, first + length - 1, index, round(float(rng.uniform(0.55, 0.75)), 2), side, 0
    )
