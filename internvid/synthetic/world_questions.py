"""Scenes of the synthetic world with questions whose answers are known by construction.

Three kinds of scene: one thing; two or three equal things; one thing whose colour changes halfway.
Held-out combinations of colour, shape and motion stay held out, in changed colours too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal

import numpy as np
import numpy.typing as npt

from internvid.synthetic.clips import CLIP_SIZES, ClipSpec, is_held_out, render_clip, sample_specs
from internvid.synthetic.scripts.describe import with_article
from internvid.synthetic.scripts.world_words import (
    COLOURS,
    DIRECTIONS,
    MOTION_PHRASES,
    MOTIONS,
    SHAPES,
    TONES,
)

NUMBERS = ("one", "two", "three")
SIZES = tuple(word for word, _ in CLIP_SIZES)
ASPECTS = ("colour", "shape", "size", "motion", "direction", "tone", "count", "yes_no", "order")
"""What is measured; `direction` is `motion` of the things that move to a side."""
_KINDS = ("one",) * 14 + ("several",) * 5 + ("changing",) * 3
_QUESTIONS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "colour": ("What colour is it?", "Which colour does the thing have?"),
        "shape": ("What shape is it?", "Which shape can be seen?"),
        "size": ("Is it small or large?", "How large is it?"),
        "motion": ("What does it do?", "How does it move?"),
        "tone": ("How bright is the background?", "What is the background like?"),
        "count": ("How many things are there?", "How many can be seen?"),
        "order": ("Which colour comes first?", "In which order do the colours come?"),
    }
)


@dataclass(frozen=True)
class WorldScene:
    """A short clip that questions are about.

    Attributes:
        spec: of the thing.
        others: further ones, equal but for their places.
        later: colour in the second half; empty where it does not change.
    """

    spec: ClipSpec
    others: tuple[ClipSpec, ...] = ()
    later: str = ""

    def render(self, frames: int = 8, size: int = 48) -> npt.NDArray[np.uint8]:
        """RGB frames (T, H, W, 3), uint8."""
        shown = render_clip(self.spec, frames, size, others=self.others)
        if self.later:
            after = render_clip(replace(self.spec, colour=self.later), frames, size)
            shown = np.concatenate([shown[: frames // 2], after[frames // 2 :]])
        return shown

    def text(self) -> str:
        """A description that answers every question about the scene."""
        spec = self.spec
        colour = f"{spec.colour} and later {self.later}" if self.later else spec.colour
        things = f"{NUMBERS[len(self.others)]} {spec.size} {colour} {spec.shape}"
        return f"{things} {MOTION_PHRASES[spec.motion]}, {spec.tone} background."

    def truth(self, aspect: str) -> str | None:
        """The right option of an aspect; None where the scene has no answer to it."""
        spec = self.spec
        answers = {
            "shape": spec.shape,
            "size": spec.size,
            "motion": spec.motion,
            "direction": spec.motion if spec.motion in DIRECTIONS else None,
            "tone": spec.tone,
            "count": NUMBERS[len(self.others)],
            "colour": None if self.later else spec.colour,
            "order": f"{spec.colour} {self.later}" if self.later else None,
        }
        return answers[aspect]


@dataclass(frozen=True)
class WorldQuestion:
    """A question with its answer.

    Attributes:
        aspect: one of `ASPECTS`.
        text: of the question.
        answer: a sentence.
        truth: the option that it holds.
        options: all there are, the wrong ones too.
    """

    aspect: str
    text: str
    answer: str
    truth: str
    options: tuple[str, ...]

    @property
    def sentences(self) -> tuple[str, ...]:
        """Each option as an answer."""
        return tuple(sentence_of(self.aspect, option) for option in self.options)

    def is_right(self, answer: str) -> bool:
        """Whether an answer names the right option, and no other."""
        return named_option(self.aspect, answer) == self.truth


def options_of(aspect: str) -> tuple[str, ...]:
    """What an aspect can be."""
    known: dict[str, tuple[str, ...]] = {
        "colour": tuple(COLOURS),
        "shape": SHAPES,
        "size": SIZES,
        "motion": MOTIONS,
        "direction": DIRECTIONS,
        "tone": TONES,
        "count": NUMBERS,
        "yes_no": ("yes", "no"),
        "order": tuple(f"{a} {b}" for a in COLOURS for b in COLOURS if a != b),
    }
    return known[aspect]


def sentence_of(aspect: str, option: str) -> str:
    """An option as an answer."""
    if aspect == "shape":
        return f"It is {with_article(option)}."
    if aspect in ("colour", "size"):
        return f"It is {option}."
    if aspect in ("motion", "direction"):
        return f"It {MOTION_PHRASES[option]}."
    if aspect == "tone":
        return f"The background is {option}."
    if aspect == "count":
        return f"There {'is' if option == 'one' else 'are'} {option}."
    if aspect == "order":
        first, later = option.split()
        return f"First it is {first}, then {later}."
    return f"{option.capitalize()}."


def named_option(aspect: str, answer: str) -> str | None:
    """The option that an answer names; None where it names none, or several."""
    text = answer.lower()
    if aspect in ("motion", "direction"):
        named = [option for option in MOTIONS if MOTION_PHRASES[option] in text]
        return named[0] if len(named) == 1 else None
    words = re.findall(r"[a-z]+", text)
    if aspect == "order":
        colours = [word for word in words if word in COLOURS]
        return " ".join(colours) if len(colours) == 2 else None
    if aspect == "yes_no":
        return words[0] if words and words[0] in ("yes", "no") else None
    found = {option for option in options_of(aspect) if option in words}
    return found.pop() if len(found) == 1 else None


def draw_scenes(
    seed: int,
    count: int,
    *,
    held_out: bool = False,
    cameras: tuple[str, ...] = ("static",),
    paths: Literal["loop", "inside"] = "inside",
) -> list[WorldScene]:
    """Scenes of a seed: the arguments of `sample_specs`."""
    specs = sample_specs(seed, count, held_out=held_out, cameras=cameras, paths=paths)
    rng = np.random.default_rng((seed, 29))
    return [_scene(spec, rng, held_out=held_out) for spec in specs]


def _scene(spec: ClipSpec, rng: np.random.Generator, *, held_out: bool) -> WorldScene:
    kind = _KINDS[int(rng.integers(len(_KINDS)))]
    if kind == "several":
        more = 1 + int(rng.integers(2))
        return WorldScene(spec, tuple(_elsewhere(spec, rng) for _ in range(more)))
    if kind == "changing":
        colours = [
            colour
            for colour in COLOURS
            if colour != spec.colour and is_held_out(colour, spec.shape, spec.motion) == held_out
        ]
        return WorldScene(spec, later=colours[int(rng.integers(len(colours)))])
    return WorldScene(spec)


def _elsewhere(spec: ClipSpec, rng: np.random.Generator) -> ClipSpec:
    """An equal thing at another place, its way inside of the frame as the first's is."""
    return replace(
        spec,
        x=round(float((spec.x + rng.uniform(0.3, 0.7)) % 1.0), 4),
        y=round(float((spec.y + rng.uniform(0.3, 0.7)) % 1.0), 4),
    )


def questions_of(
    scene: WorldScene, rng: np.random.Generator, aspects: Sequence[str] = ASPECTS
) -> Iterator[WorldQuestion]:
    """A question for each aspect that the scene has an answer to, in the order of `aspects`."""
    for aspect in aspects:
        if aspect == "yes_no":
            yield _yes_no(scene, rng)
            continue
        truth = scene.truth(aspect)
        if truth is None:
            continue
        worded = "motion" if aspect == "direction" else aspect
        texts = _QUESTIONS[worded]
        yield WorldQuestion(
            aspect,
            texts[int(rng.integers(len(texts)))],
            sentence_of(aspect, truth),
            truth,
            options_of(aspect),
        )


def _yes_no(scene: WorldScene, rng: np.random.Generator) -> WorldQuestion:
    """Whether something is so: right and wrong equally often."""
    possible = [name for name in ("colour", "size", "motion", "tone", "shape")
                if scene.truth(name) is not None]  # fmt: skip
    aspect = possible[int(rng.integers(len(possible)))]
    truth, is_so = scene.truth(aspect), bool(rng.integers(2))
    wrong = [option for option in options_of(aspect) if option != truth]
    option = str(truth) if is_so else wrong[int(rng.integers(len(wrong)))]
    statement = sentence_of(aspect, option).rstrip(".")
    answer = "yes" if is_so else "no"
    text = f"{statement}: is that so?"
    return WorldQuestion("yes_no", text, sentence_of("yes_no", answer), answer, ("yes", "no"))


def dialogue_of(scene: WorldScene, rng: np.random.Generator, pairs: int) -> list[WorldQuestion]:
    """Questions of different aspects in random order, for one dialogue about a scene."""
    known = [aspect for aspect in ASPECTS if aspect != "direction"]
    order = [known[int(at)] for at in rng.permutation(len(known))]
    return list(questions_of(scene, rng, order))[:pairs]
