"""One plain sentence a clip, from measured facts alone: no model, no network, nothing guessed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from internvid.captions.statements import Certainty, Statements, state
from internvid.core.contracts import Annotation, ClipView

_PICTURES = {
    "still": ("A still picture shows", "A single still picture shows", "A frozen picture shows"),
    "slideshow": (
        "Several still pictures follow one another and show",
        "A series of still pictures shows",
        "A gallery of still pictures shows",
    ),
}
_CAMERA = {
    "static": ("The camera stays still and shows", "A static camera shows", "A fixed camera films"),
    "shake": ("The camera shakes and shows", "A shaking camera shows", "A shaky camera films"),
}
_OVER = ("over", "across")


@dataclass(frozen=True)
class MeasuredCaptioner:
    """Writes what the signals are sure of: camera, light, colours, movement, sound.

    What is not certain is left out. The wording varies with the clip's id and is the same
    whenever the clip and its columns are.

    Attributes:
        certainty: how clear each measurement must be.
    """

    version: ClassVar[int] = 3
    reads: ClassVar[tuple[str, ...]] = ("row",)
    certainty: Certainty = field(default_factory=Certainty)

    def caption(self, clips: Iterable[ClipView]) -> Iterable[Annotation]:
        """One sentence a clip, or "skipped" with reason `nothing_certain`."""
        for view in clips:
            statements = state(view.row, self.certainty)
            if statements:
                choice = sum(view.clip.clip_id.encode("utf-8"))
                yield Annotation(view.clip.clip_id, write_sentence(statements, choice))
            else:
                yield Annotation(view.clip.clip_id, None, "skipped", "nothing_certain")


def write_sentence(statements: Statements, choice: int = 0) -> str:
    """An English sentence of the statements.

    Args:
        statements: what to say; at least one.
        choice: picks among wordings of the same meaning.
    """
    opening = _opening(statements, choice)
    scene = _scene(statements)
    words = f"{opening} {scene}" if opening else scene[0].upper() + scene[1:]
    return " ".join([words, *_additions(statements)]) + "."


def _opening(statements: Statements, choice: int) -> str:
    camera, direction = statements.camera, statements.direction
    if statements.picture is not None:
        wordings = _PICTURES[statements.picture]
        return wordings[choice % len(wordings)]
    if camera in _CAMERA:
        wordings = _CAMERA[camera]
        return wordings[choice % len(wordings)]
    pace = {"slow": "slowly ", "fast": "quickly "}.get(statements.pace or "", "")
    if camera == "zoom":
        return f"The camera {pace}zooms {direction} {'on' if direction == 'in' else 'from'}"
    if camera in ("pan", "tilt"):
        # A camera turns to a side but up or down.
        way = f"to the {direction}" if direction in ("left", "right") and choice % 2 else direction
        return f"The camera {pace}{camera}s {way} {_OVER[choice // 2 % len(_OVER)]}"
    return ""


def _scene(statements: Statements) -> str:
    noun = "scenes" if statements.picture == "slideshow" else "scene"
    words = [statements.light] if statements.light else []
    if statements.colours:
        colours = " and ".join(statements.colours)
        words.append(f"mostly {colours}" if statements.mostly else f"partly {colours}")
    description = ", ".join([*words, ""])[:-2]
    phrase = f"{description} {noun}" if description else noun
    if noun == "scenes":
        return phrase
    return f"{'an' if phrase[0] in 'aeiou' else 'a'} {phrase}"


def _additions(statements: Statements) -> list[str]:
    """What follows the scene: movement, light, bars and sound, as phrases."""
    having = []
    if statements.movement is not None:
        having.append(f"{statements.movement} movement")
    if statements.flickers:
        having.append("flickering light")
    if statements.bars is not None:
        having.append(f"black bars {statements.bars}")
    if statements.sound in ("quiet", "loud"):
        having.append(f"{statements.sound} sound")
    phrases = ["with " + _listed(having)] if having else []
    if statements.sound == "none":
        phrases.append("and without sound" if having else "without sound")
    return phrases


def _listed(parts: Sequence[str]) -> str:
    return " and ".join([", ".join(parts[:-1]), parts[-1]]) if len(parts) > 1 else parts[0]
