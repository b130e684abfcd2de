"""Writes the script of a video: draws shots, transitions and distractors from a seed."""

import math
from dataclasses import dataclass, field, replace

import numpy as np

from internvid.synthetic.painting.mixing import WIPE_STYLES
from internvid.synthetic.painting.palettes import PALETTES
from internvid.synthetic.painting.shot_rendering import LUMA, TINTS
from internvid.synthetic.painting.textures import FloatArray
from internvid.synthetic.scripts.distractors import place_events
from internvid.synthetic.scripts.themes import MIDDLE_PLACES, Place, Theme
from internvid.synthetic.scripts.video_plan import ObjectPlan, ShotPlan, TransitionPlan, VideoPlan
from internvid.synthetic.scripts.world_words import COLOURS, DIRECTIONS, MOTION_PHRASES, RGB, SHAPES
from internvid.synthetic.truth import Borders, CameraMove, SoundTruth

STATIC = CameraMove("static", "none", 0.0)
NO_BORDERS = Borders(0, 0, 0, 0)
CUT = TransitionPlan("cut")
CAMERA_DECK: tuple[tuple[str, str], ...] = (
    ("static", "none"),
    ("static", "none"),
    ("pan", "left"),
    ("pan", "right"),
    ("tilt", "up"),
    ("tilt", "down"),
    ("zoom", "in"),
    ("zoom", "out"),
    ("shake", "none"),
)
"""Camera moves are dealt like cards, so that every kind occurs in a long video."""

MAXIMUM_PAN = 3.0
"""A pan covers at most this many widths."""
MAXIMUM_GROWTH = 2.4
"""A zoom enlarges at most this many times."""


@dataclass
class Director:
    """Draws the parts of one video; all randomness comes from one generator."""

    rng: np.random.Generator
    theme: Theme
    width: int
    height: int
    shots: list[ShotPlan] = field(default_factory=list)
    transitions: list[TransitionPlan] = field(default_factory=list)
    slideshows: list[tuple[int, int, str]] = field(default_factory=list)
    _cards: list[tuple[str, str]] = field(default_factory=list)
    _places: list[Place] = field(default_factory=list)
    _changes: list[str] = field(default_factory=list)

    def add(self, part: str) -> None:
        """Append one part (see `Theme.parts`)."""
        if part == "burst":
            for _ in range(int(self.rng.integers(3, 5))):
                self._append(
                    replace(self._scene(STATIC), frames=int(self.rng.integers(4, 11))), CUT
                )
        elif part == "still":
            self._append(replace(self._scene(STATIC), kind="still"), self._transition())
        elif part == "colour":
            self._add_colour_pair()
        elif part == "similar":
            self._add_similar_pair()
        elif part in ("hard", "soft", "ken-burns"):
            self._add_slides(part)
        else:
            self._append(self._scene(self._camera()), self._transition())

    def seconds(self) -> float:
        """Length of what has been appended."""
        frames = sum(one.frames for one in self.shots) + sum(one.frames for one in self.transitions)
        return float(frames / self.theme.fps)

    def _append(self, shot: ShotPlan, transition: TransitionPlan) -> None:
        if self.shots:
            after_burst = self.shots[-1].frames < 0.5 * self.theme.fps
            self.transitions.append(CUT if after_burst and transition.kind != "cut" else transition)
        self.shots.append(shot)

    def _scene(self, camera: CameraMove, place: Place | None = None) -> ShotPlan:
        seconds = self._seconds(camera)
        backdrop, mood = place or self._place()
        return ShotPlan(
            seed=int(self.rng.integers(2**31)),
            kind="scene",
            frames=round(seconds * float(self.theme.fps)),
            backdrop=backdrop,
            mood=mood,
            camera=camera,
            objects=self._objects(backdrop, mood, camera),
            borders=self._borders(),
            sound=self._sound(),
            grain=self.theme.grain,
        )

    def _seconds(self, camera: CameraMove) -> float:
        """Draw how long a scene lasts: fast cameras run out of canvas, slow ones need time."""
        seconds = float(self.rng.uniform(*self.theme.seconds))
        spare = 1.7  # longest dissolves on both sides, in seconds
        if camera.kind in ("pan", "tilt"):
            seconds = min(max(seconds, 0.1 / camera.speed), MAXIMUM_PAN / camera.speed - spare)
        elif camera.kind == "zoom":
            rate = math.log1p(camera.speed)
            seconds = min(
                max(seconds, 0.12 / rate), max(1.2, math.log(MAXIMUM_GROWTH) / rate - spare)
            )
        return seconds

    def _camera(self) -> CameraMove:
        if not self._cards:
            self._cards = [CAMERA_DECK[i] for i in self.rng.permutation(len(CAMERA_DECK))]
        kind, direction = self._cards.pop()
        if kind == "static":
            return STATIC
        slowest, fastest = {
            "pan": (0.035, self.theme.fastest_pan),
            "tilt": (0.035, min(0.4, self.theme.fastest_pan)),
            "zoom": (0.04, 0.36),
            "shake": (0.006, 0.035),
        }[kind]
        speed = math.exp(self.rng.uniform(math.log(slowest), math.log(fastest)))
        return CameraMove(kind, direction, round(speed, 4))

    def _place(self) -> Place:
        """Draw a place that differs from the last two."""
        if not self._places:
            self._places = [
                self.theme.places[i] for i in self.rng.permutation(len(self.theme.places))
            ]
        recent = {shot.backdrop for shot in self.shots[-2:]}
        for index in range(len(self._places) - 1, -1, -1):
            if self._places[index][0] not in recent:
                return self._places.pop(index)
        self._places = []
        return self._place()

    def _objects(self, backdrop: str, mood: str, camera: CameraMove) -> tuple[ObjectPlan, ...]:
        palette = np.asarray(PALETTES[backdrop][mood], dtype=np.float32)
        ordered = sorted(
            COLOURS,
            key=lambda name: -_contrast(COLOURS[name], palette),
        )
        colours = [ordered[i] for i in self.rng.permutation(5)]
        motions = [name for name in MOTION_PHRASES if name != "stay"]
        shapes = [SHAPES[i] for i in self.rng.permutation(len(SHAPES))]
        alone = camera.kind in ("pan", "tilt", "shake") or self.rng.random() > 0.35
        count = 1 if alone else 2
        things = []
        for number in range(count):
            still = number == 1
            motion = "stay" if still else motions[int(self.rng.integers(len(motions)))]
            small = motion in ("grow", "bounce", "circle") or number == 1
            size = (
                ("small", "medium")[int(self.rng.integers(2))]
                if small
                else ("small", "medium", "large")[int(self.rng.integers(3))]
            )
            side = 0.5 if count == 1 else (0.36, 0.7)[number]
            x, y = side + self.rng.uniform(-0.1, 0.1), self.rng.uniform(0.4, 0.6)
            reach = self.rng.uniform(0.3, 0.5 if count == 1 else 0.36)
            things.append(
                ObjectPlan(
                    shapes[number],
                    colours[number],
                    size,
                    motion,
                    round(x, 3),
                    round(y, 3),
                    round(reach, 3),
                )
            )
        return tuple(things)

    def _borders(self) -> Borders:
        if self.theme.borders == "none" or (
            self.theme.borders == "some" and self.rng.random() > 0.2
        ):
            return NO_BORDERS
        if self.theme.borders == "some" and self.rng.random() < 0.4:
            side = 2 * round(0.0625 * self.width)
            return Borders(0, 0, side, side)
        bar = 2 * round(0.06 * self.height)
        return Borders(bar, bar, 0, 0)

    def _sound(self) -> SoundTruth:
        draw = self.rng.random()
        level, pitch = (
            round(float(self.rng.uniform(-34, -12)), 1),
            round(float(self.rng.uniform(220, 900)), 1),
        )
        if not self.theme.has_audio:
            return SoundTruth("none", None, None)
        if draw < 0.25:
            return SoundTruth("silence", None, None)
        return SoundTruth("tone", level, pitch) if draw < 0.62 else SoundTruth("noise", level, None)

    def _transition(self) -> TransitionPlan:
        if not self._changes:
            deck = [
                kind
                for kind, weight in self.theme.transitions.items()
                for _ in range(max(1, round(8 * weight)))
            ]
            self._changes = [deck[i] for i in self.rng.permutation(len(deck))]
        kind = self._changes.pop()
        shortest, longest = {
            "cut": (0.0, 0.0),
            "dissolve": (0.3, 1.6),
            "fade": (0.5, 1.5),
            "wipe": (0.35, 1.2),
        }[kind]
        frames = 2 * round(float(self.rng.uniform(shortest, longest) * float(self.theme.fps)) / 2)
        style = ""
        if kind == "fade":
            style = "white" if self.rng.random() < 0.3 else "black"
        elif kind == "wipe":
            style = WIPE_STYLES[int(self.rng.integers(len(WIPE_STYLES)))]
        return TransitionPlan(kind, style, frames)

    def _add_colour_pair(self) -> None:
        """Two shots that differ in colour alone; the object goes on moving across the cut."""
        first = self._scene(STATIC)
        tints = [list(TINTS)[i] for i in self.rng.permutation(len(TINTS))[:2]]
        direction = DIRECTIONS[int(self.rng.integers(2))]
        sign = 1 if direction == "right" else -1
        base = replace(first.objects[0], motion=direction, reach=0.3, colour="yellow")
        halves = [replace(base, x=0.5 - 0.16 * sign), replace(base, x=0.5 + 0.16 * sign)]
        pair = [
            replace(first, tint=tint, objects=(half,), grain=0.0)
            for tint, half in zip(tints, halves, strict=True)
        ]
        self._append(pair[0], self._transition())
        self._append(
            replace(pair[1], sound=self._sound()), TransitionPlan("cut", contrast="colour-only")
        )

    def _add_similar_pair(self) -> None:
        """Two shots of the same mean brightness; the camera is still, as a move would change it."""
        luma = float(self.rng.uniform(105, 140))
        order = self.rng.permutation(len(MIDDLE_PLACES))
        recent = {shot.backdrop for shot in self.shots[-1:]}
        places = [MIDDLE_PLACES[i] for i in order if MIDDLE_PLACES[i][0] not in recent]
        second = next(place for place in places[1:] if place[0] != places[0][0])
        self._append(replace(self._scene(STATIC, places[0]), mean_luma=luma), self._transition())
        shot = replace(self._scene(STATIC, second), mean_luma=luma, borders=self.shots[-1].borders)
        self._append(shot, TransitionPlan("cut", contrast="similar-brightness"))

    def _add_slides(self, style: str) -> None:
        """A run of pictures that change hard or soft; ken-burns pictures zoom or pan slowly."""
        first = len(self.shots)
        for number in range(3 if style == "ken-burns" else 4):
            camera = STATIC
            if style == "ken-burns":
                kind, direction = (
                    ("zoom", "in"),
                    ("pan", "right"),
                    ("zoom", "out"),
                    ("pan", "left"),
                )[int(self.rng.integers(4))]
                camera = CameraMove(kind, direction, round(float(self.rng.uniform(0.04, 0.07)), 4))
            slide = replace(self._scene(camera), kind="slide")
            lasting = (
                self.rng.uniform(2.2, 3.0) if style == "ken-burns" else self.rng.uniform(1.1, 1.9)
            )
            slide = replace(slide, frames=round(float(lasting * float(self.theme.fps))))
            change = CUT
            if number and style != "hard":
                change = TransitionPlan(
                    "dissolve",
                    "",
                    2 * round(float(self.rng.uniform(0.4, 0.9) * float(self.theme.fps)) / 2),
                )
            self._append(slide, change)
        self.slideshows.append((first, len(self.shots), style))


def _contrast(colour: RGB, palette: FloatArray) -> float:
    """How far a colour is from the nearest one of a palette (n, 3); brightness counts most."""
    gaps = np.asarray(colour, dtype=np.float32) - palette
    distances = 2.0 * np.abs(gaps @ LUMA) + 0.5 * np.abs(gaps).sum(axis=1)
    return float(distances.min())


def write_script(
    theme: Theme, name: str, seed: tuple[int, ...], seconds: float, size: tuple[int, int]
) -> VideoPlan:
    """Draw a whole video.

    Args:
        theme: what kind.
        name: file name.
        seed: everything is drawn from it.
        seconds: the video ends with the first part that reaches this length.
        size: (width, height) in pixels.

    Returns:
        A plan with at least one shot.
    """
    rng = np.random.default_rng(seed)
    director = Director(rng, theme, size[0], size[1])
    turn = 0
    while not director.shots or director.seconds() < seconds:
        director.add(theme.parts[turn % len(theme.parts)])
        turn += 1
    plan = VideoPlan(
        name=name,
        theme=theme.name,
        codec=theme.codec,
        width=size[0],
        height=size[1],
        fps=theme.fps,
        has_audio=theme.has_audio,
        shots=tuple(director.shots),
        transitions=tuple(director.transitions),
        events=(),
        slideshows=tuple(director.slideshows),
    )
    return replace(plan, events=place_events(plan, theme.events, rng))
