"""Answers become rows: checked, brought to the declared types, sealed."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast, get_args

import numpy as np

from internvid.core.annotators import Traits, traits_of
from internvid.core.binding import origin_of, seal_of
from internvid.core.contracts import Annotation, ClipView, Status
from internvid.core.errors import InternvidError
from internvid.core.types import GIVEN
from internvid.dataset.picks import SCAN_PICKS
from internvid.dataset.tables import AnswerRow, row_to_clip

# What depends on the cut and not on the span alone: an answer must hold under any cut.
_OF_THE_CUT = frozenset({
    "shot", "transition", "transition_score", "kept", "reason_value", "reason",
    "filter_reason", "filter_value",
})  # fmt: skip
# What a table states of a span: another table may state the span, too.
_OF_A_TABLE = f"{GIVEN}_"
_LONGEST_TEXT = 100_000


def make_view(row: Mapping[str, Any], picks: Sequence[Any], text: str | None = None) -> ClipView:
    """What an annotator is given for one row of the clips table."""
    measured = {
        name: value
        for name, value in row.items()
        if name not in _OF_THE_CUT and not name.startswith(_OF_A_TABLE)
    }
    return ClipView(row_to_clip(row), measured, picks, text)


def answer_row(answer: Annotation, traits: Traits, pick_set: str = SCAN_PICKS) -> AnswerRow:
    """The row of one answer, its value and extras as they will be read back, with its seal.

    Values that cannot be stored make the answer a failed one: `no_value`, `empty` (a blank text),
    `too_large` (over 100 kB of text), `not_a_number` (NaN or infinite), `wrong_type`.

    Raises:
        InternvidError: a status that does not exist, or an extra that was not declared.
    """
    if answer.status not in get_args(Status):
        raise InternvidError(
            f"an answer for clip {answer.clip_id} has the status {answer.status!r}; "
            f"allowed: {', '.join(get_args(Status))}"
        )
    unknown = set(answer.extras) - set(traits.extras)
    if unknown:
        raise InternvidError(
            f"an answer for clip {answer.clip_id} fills {sorted(unknown)[0]!r}, "
            "which its component does not declare in `extras`"
        )
    value, reason = None, answer.reason
    if answer.status == "ok":
        value, reason = _stored(answer.value, traits.value_type)
    status: Status = answer.status if answer.status != "ok" or not reason else "failed"
    extras = {
        name: _stored_extra(answer.extras.get(name), kind) for name, kind in traits.extras.items()
    }
    origin = answer.origin or origin_of(answer.clip_id)
    prompt = _text(origin.prompt)
    kept = replace(answer, value=value, status=status, reason=reason, extras=extras, origin=origin)
    row = {
        "clip_id": answer.clip_id,
        "value": value,
        "status": status,
        "reason": _text(reason),
        **extras,
        "frames": list(origin.frames),
        "prompt": prompt,
        "pick_set": pick_set,
        "seal": seal_of(kept),
    }
    return cast("AnswerRow", row)  # no type names the extras


def bind(
    views: Sequence[ClipView], answers: Iterable[Annotation], component: Any
) -> list[AnswerRow]:
    """One row per clip of a short list, in its order, matched by clip_id alone.

    Raises:
        InternvidError: an answer for a clip that was not requested, or a second one for the same
            clip.
    """
    traits = traits_of(component)
    expected = {view.clip.clip_id for view in views}
    rows: dict[str, AnswerRow] = {}
    for answer in answers:
        if answer.clip_id not in expected:
            raise InternvidError(f"an answer came for clip {answer.clip_id}, which was not asked")
        if answer.clip_id in rows:
            raise InternvidError(f"two answers came for clip {answer.clip_id}")
        rows[answer.clip_id] = answer_row(answer, traits)
    return [rows.get(view.clip.clip_id) or no_answer(view.clip.clip_id, traits) for view in views]


def no_answer(clip_id: str, traits: Traits, pick_set: str = SCAN_PICKS) -> AnswerRow:
    """The row of a clip whose component answered nothing about it: failed, `no_answer`."""
    return answer_row(Annotation(clip_id, None, "failed", "no_answer"), traits, pick_set)


def no_text(clip_id: str, traits: Traits) -> AnswerRow:
    """The row of a clip whose text column has nothing to say: skipped, `no_text`."""
    return answer_row(Annotation(clip_id, None, "skipped", "no_text"), traits)


def _stored(value: Any, kind: str) -> tuple[Any, str]:
    """(the value as it is stored, "") or (None, why it cannot be)."""
    if value is None:
        return None, "no_value"
    if kind == "string":
        return _stored_text(value)
    if kind == "bool":
        return (bool(value), "") if isinstance(value, (bool, np.bool_)) else (None, "wrong_type")
    if kind == "vector":
        return _stored_vector(value)
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None, "wrong_type"
    return (number, "") if math.isfinite(number) else (None, "not_a_number")


def _stored_text(value: Any) -> tuple[str | None, str]:
    if not isinstance(value, str):
        return None, "wrong_type"
    if not value.strip():
        return None, "empty"
    if len(value) > _LONGEST_TEXT:
        return None, "too_large"
    return _text(value), ""


def _stored_vector(value: Any) -> tuple[Any, str]:
    try:
        vector = np.asarray(value, np.float32)
    except (TypeError, ValueError):
        return None, "wrong_type"
    if vector.ndim != 1 or not vector.size:
        return None, "wrong_type"
    return (vector, "") if np.isfinite(vector).all() else (None, "not_a_number")


def _stored_extra(value: Any, kind: str) -> Any:
    # Extras say more about an answer; one that cannot be stored is left out, the answer stays.
    if value is None:
        return None
    try:
        if kind == "string":
            return _text(str(value))
        if kind == "bool":
            return bool(value)
        if kind == "int64":
            return int(value)
        if kind == "double":
            return _finite(value)
        if kind == "list<string>":
            return [_text(str(item)) for item in value]
        return [_finite(item) for item in value]
    except (TypeError, ValueError, OverflowError):
        return None


def _finite(value: Any) -> float | None:
    number = float(value)
    return number if math.isfinite(number) else None


def _text(value: str) -> str:
    # Half of a surrogate pair is no Unicode text and cannot be written.
    return value.encode("utf-8", "replace").decode("utf-8")
