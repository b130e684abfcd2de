"""Questions that need no model: each answer follows from stored values alone, or is not given.

A template is a function from a scene to words and sources. Run again over the same rows, it gives
the same turn: that is how an answer is proved later (`internvid.conversations.dialogues.proving`).
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from internvid.captions.statements import Certainty, Statements, state
from internvid.conversations.dialogues.proven_turns import (
    AnswerSource,
    ProvenTurn,
    Scene,
    caption_source,
    source,
    time_sources,
)
from internvid.conversations.dialogues.wordings import ANSWERS, QUESTIONS
from internvid.conversations.documents.document_clips import ClipRow
from internvid.conversations.documents.drawn import drawn_choice, drawn_number
from internvid.publishing.texts.chat_turns import without_tokens

SIGNAL_COLUMNS = (
    *("duration_seconds", "transition", "camera_move", "camera_direction", "camera_speed"),
    *("camera_confidence", "is_still", "is_slideshow", "picture_changes", "is_flickering"),
    *("brightness", "brightness_range", "colour_names", "colour_shares", "object_motion_mean"),
    *("is_silent", "loudness_mean", "letterbox_share", "pillarbox_share", "text_boxes"),
)
"""Columns that answers rest on, beside captions, transcripts and times."""
_MOST_IN_SEQUENCE = 6
# Fades and dissolves between two clips are in neither.
_LONGEST_GAP_SECONDS = 1.5
_CERTAINTY = Certainty()
_CAMERA = {
    "static": "The camera stays still.",
    "shake": "The camera shakes.",
    "zoom": "The camera {pace}zooms {direction}.",
    "pan": "The camera {pace}pans {direction}.",
    "tilt": "The camera {pace}tilts {direction}.",
}
_PACE = {"slow": "slowly ", "fast": "quickly ", None: ""}
_SOUND = {
    "none": "There is no sound.",
    "quiet": "There is sound, and it is low.",
    "loud": "There is sound, and it is loud.",
}

# The values that stand in a question, an answer, and what proves it.
Words = tuple[dict[str, Any], str, list[AnswerSource]]
Template = Callable[[Scene], Words | None]


def turn_of(kind: str, scene: Scene) -> ProvenTurn | None:
    """A question of a kind about a scene; None where nothing certain can be answered.

    Args:
        kind: one of `CLIP_KINDS` or `VIDEO_KINDS`.
        scene: what it is about.
    """
    templates = CLIP_KINDS if scene.scope == "clip" else VIDEO_KINDS
    words = templates[kind](scene)
    if words is None:
        return None
    values, answer, sources = words
    question = drawn_choice(QUESTIONS[kind], scene.seed, scene.name, kind, "question")
    return ProvenTurn(kind, question.format(**values), answer, tuple(sources))


def turns_of(scene: Scene, most: int) -> list[ProvenTurn]:
    """The questions of a dialogue: what is shown first, then others in an order that is drawn.

    Args:
        scene: what it is about.
        most: so many at most.
    """
    templates = CLIP_KINDS if scene.scope == "clip" else VIDEO_KINDS
    first = ("describe", "sequence", "in_turn")
    kinds = sorted(
        templates,
        key=lambda kind: (kind not in first, drawn_number(scene.seed, scene.name, kind)),
    )
    made = (turn_of(kind, scene) for kind in kinds)
    return [turn for turn in made if turn is not None][:most]


def _answer(kind: str, scene: Scene, **values: Any) -> str:
    return drawn_choice(ANSWERS[kind], scene.seed, scene.name, kind, "answer").format(**values)


def _statements(scene: Scene) -> Statements:
    return state(scene.clips[0].values, _CERTAINTY)


def _sources(scene: Scene, *columns: str) -> list[AnswerSource]:
    return [source(scene.clips[0], column) for column in columns]


def seconds_text(seconds: float) -> str:
    """Seconds with one decimal, as they stand in questions and answers."""
    return f"{seconds:.1f}"


def _end_text(row: ClipRow) -> str:
    """The end of a clip with one decimal, never behind the end of its video."""
    end, length = row.end_seconds or 0.0, row.seconds_of_video
    text = seconds_text(end)
    is_behind = length is not None and float(text) > length
    return seconds_text(math.floor(10 * end) / 10) if is_behind else text


# Of one clip.


def _describe(scene: Scene) -> Words | None:
    row = scene.clips[0]
    return ({}, row.caption, [caption_source(row)]) if row.caption else None


def _spoken(scene: Scene) -> Words | None:
    row = scene.clips[0]
    if not row.transcript:
        return None
    proof = AnswerSource("clips", row.transcript_column, row.clip_id, row.video_id, row.transcript)
    return {}, _answer("spoken", scene, text=row.transcript), [proof]


def _length(scene: Scene) -> Words | None:
    row = scene.clips[0]
    if row.start_seconds is None or row.end_seconds is None:
        return None
    seconds = seconds_text(row.end_seconds - row.start_seconds)
    return {}, _answer("length", scene, seconds=seconds), time_sources(row)


def _camera(scene: Scene) -> Words | None:
    known = _statements(scene)
    if known.camera is None:
        return None
    columns = ("camera_move", "camera_direction", "camera_speed", "camera_confidence")
    text = _CAMERA[known.camera].format(pace=_PACE[known.pace], direction=known.direction)
    return {}, text, _sources(scene, *columns)


def _light(scene: Scene) -> Words | None:
    known = _statements(scene)
    if known.light is None:
        return None
    proof = _sources(scene, "brightness", "brightness_range")
    return {}, _answer("light", scene, light=known.light), proof


def _colours(scene: Scene) -> Words | None:
    known = _statements(scene)
    if not known.colours:
        return None
    kind = "colour" if len(known.colours) == 1 else "colours"
    text = _answer(kind, scene, colours=" and ".join(known.colours))
    return {}, text, _sources(scene, "colour_names", "colour_shares")


def _sound(scene: Scene) -> Words | None:
    known = _statements(scene)
    if known.sound is None:
        return None
    return {}, _SOUND[known.sound], _sources(scene, "is_silent", "loudness_mean")


def _movement(scene: Scene) -> Words | None:
    if _statements(scene).movement is None:
        return None
    columns = ("object_motion_mean", "camera_move", "camera_confidence")
    return {}, _answer("movement", scene), _sources(scene, *columns)


def _bars(scene: Scene) -> Words | None:
    values = scene.clips[0].values
    if values.get("letterbox_share") is None or values.get("pillarbox_share") is None:
        return None
    place = _statements(scene).bars
    if place is None and (values["letterbox_share"] or values["pillarbox_share"]):
        return None  # thin ones: neither yes nor no
    text = "There are no black bars." if place is None else f"There are black bars {place}."
    return {}, text, _sources(scene, "letterbox_share", "pillarbox_share")


def _text(scene: Scene) -> Words | None:
    boxes = scene.clips[0].values.get("text_boxes")
    if isinstance(boxes, str):
        try:
            boxes = json.loads(boxes) if boxes.strip() else None
        except ValueError:
            return None
    if boxes is None or not isinstance(boxes, list):
        return None
    places = f"in {len(boxes)} places" if len(boxes) > 1 else "in one place"
    text = f"Yes, {places}." if boxes else "No, there is no text in it."
    return {}, text, _sources(scene, "text_boxes")


# Of a video.


def _shots(scene: Scene) -> Words | None:
    row = scene.clips[0]
    count = row.shots_of_video
    if not scene.has_timeline or not count:
        return None
    proof = AnswerSource("all_clips", "shot", "", row.video_id, count)
    words = "one shot" if count == 1 else f"{count} shots"
    return {}, _answer("shots", scene, count=words), [proof]


def _videos(scene: Scene) -> Words | None:
    if scene.has_timeline:
        return None
    proof = [
        AnswerSource("clips", "clip_id", row.clip_id, row.video_id, row.clip_id)
        for row in scene.clips
    ]
    return {}, _answer("videos", scene, count=len(proof)), proof


def _nth(scene: Scene) -> Words | None:
    if scene.has_timeline:
        return None
    drawn = _drawn_caption(scene, "nth")
    if drawn is None:
        return None
    return {"number": scene.clips.index(drawn) + 1}, drawn.caption, [caption_source(drawn)]


def _when(scene: Scene) -> Words | None:
    drawn = _drawn_caption(scene, "when") if scene.has_timeline else None
    if drawn is None or drawn.start_seconds is None or drawn.end_seconds is None:
        return None
    start, end = seconds_text(drawn.start_seconds), _end_text(drawn)
    proof = [caption_source(drawn), *time_sources(drawn)]
    return {"caption": drawn.caption}, _answer("when", scene, start=start, end=end), proof


def _at_time(scene: Scene) -> Words | None:
    drawn = _drawn_caption(scene, "at_time", unique=False) if scene.has_timeline else None
    if drawn is None or drawn.start_seconds is None or drawn.end_seconds is None:
        return None
    middle = seconds_text((drawn.start_seconds + drawn.end_seconds) / 2)
    if not drawn.start_seconds <= float(middle) < drawn.end_seconds:
        return None  # shorter than what one decimal says
    proof = [caption_source(drawn), *time_sources(drawn)]
    return {"seconds": middle}, drawn.caption, proof


def _order(scene: Scene) -> Words | None:
    unique = _unique(scene)
    if not scene.has_timeline or len(unique) < 2:
        return None
    at = drawn_number(scene.seed, scene.name, "order") % (len(unique) - 1)
    first, second = unique[at], unique[at + 1]
    is_turned = drawn_number(scene.seed, scene.name, "turned") % 2 == 1
    one, other = (second, first) if is_turned else (first, second)
    named = (row for pair in (first, second) for row in [caption_source(pair), *time_sources(pair)])
    text = _answer("order", scene, first=first.caption, second=second.caption)
    return {"one": one.caption, "other": other.caption}, text, list(named)


def _sequence(scene: Scene) -> Words | None:
    rows = _longest_run(scene.clips)
    if not scene.has_timeline or len(rows) < 2:
        return None
    at = drawn_number(scene.seed, scene.name, "sequence") % max(
        1, len(rows) - _MOST_IN_SEQUENCE + 1
    )
    chosen = rows[at : at + _MOST_IN_SEQUENCE]
    start, end = chosen[0].start_seconds, chosen[-1].end_seconds
    if start is None or end is None:
        return None
    proof = [each for row in chosen for each in [caption_source(row), *time_sources(row)]]
    values = {"start": seconds_text(start), "end": _end_text(chosen[-1])}
    return values, _listed(chosen), proof


def _longest_run(rows: Sequence[ClipRow]) -> list[ClipRow]:
    """The longest run of clips with captions that leaves no stretch out, but for transitions."""
    runs: list[list[ClipRow]] = [[]]
    for row in rows:
        before = runs[-1][-1].end_seconds if runs[-1] else row.start_seconds
        gap = (row.start_seconds or 0.0) - (before or 0.0)
        if not row.caption or gap > _LONGEST_GAP_SECONDS:
            runs.append([])
        if row.caption:
            runs[-1].append(row)
    return max(runs, key=len)


def _in_turn(scene: Scene) -> Words | None:
    if scene.has_timeline or len(scene.clips) < 2 or not all(row.caption for row in scene.clips):
        return None
    return {}, _listed(scene.clips), [caption_source(row) for row in scene.clips]


def _transition(scene: Scene) -> Words | None:
    if not scene.has_timeline:
        return None
    # A gradual one lies before the first frame of its clip.
    rows = [row for row in scene.clips if row.values.get("transition") == "cut"]
    if not rows:
        return None
    row = drawn_choice(rows, scene.seed, scene.name, "transition")
    if row.start_seconds is None:
        return None
    values = {"seconds": seconds_text(row.start_seconds)}
    text = _answer("transition", scene, transition="hard cut")
    return values, text, [source(row, "transition"), *time_sources(row)[:1]]


def _listed(rows: Sequence[ClipRow]) -> str:
    openings = ["First: ", *["Then: "] * (len(rows) - 2), "At last: "]
    return " ".join(opening + row.caption for opening, row in zip(openings, rows, strict=True))


def _unique(scene: Scene) -> list[ClipRow]:
    """Clips whose caption no other clip of the video has."""
    counts = Counter(row.caption.lower() for row in scene.clips)
    counts.update(scene.captions_elsewhere)
    return [row for row in scene.clips if row.caption and counts[row.caption.lower()] == 1]


def _drawn_caption(scene: Scene, kind: str, *, unique: bool = True) -> ClipRow | None:
    rows = _unique(scene) if unique else [row for row in scene.clips if row.caption]
    return drawn_choice(rows, scene.seed, scene.name, kind, "clip") if rows else None


CLIP_KINDS: Mapping[str, Template] = MappingProxyType(
    {
        "describe": _describe,
        "spoken": _spoken,
        "length": _length,
        "camera": _camera,
        "light": _light,
        "colours": _colours,
        "sound": _sound,
        "movement": _movement,
        "bars": _bars,
        "text": _text,
    }
)
"""Kind of a question about one clip -> its template."""
VIDEO_KINDS: Mapping[str, Template] = MappingProxyType(
    {
        "sequence": _sequence,
        "in_turn": _in_turn,
        "shots": _shots,
        "videos": _videos,
        "nth": _nth,
        "when": _when,
        "at_time": _at_time,
        "order": _order,
        "transition": _transition,
    }
)
"""Kind of a question about a video -> its template."""


def spoken_words(turns: Sequence[ProvenTurn]) -> Iterator[str]:
    """All texts of some turns, in order."""
    for turn in turns:
        yield without_tokens(turn.question)
        yield without_tokens(turn.answer)
