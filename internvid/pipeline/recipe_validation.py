"""Whether the pieces of a recipe fit together: found out before a video is decoded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import pyarrow as pa

from internvid.core.annotators import traits_of
from internvid.core.contracts import Detector
from internvid.core.errors import ConfigInvalidError
from internvid.core.types import ColumnSpec, Timeline, TimeSpan
from internvid.curate.filters import FilterRule
from internvid.dataset.names import NAME, reserved_name
from internvid.dataset.tables import clip_schema

_FRAMES, _FPS = 50, 25


def refuse_blind_rules(rules: Sequence[FilterRule], signals: Sequence[Any]) -> None:
    """Refuse rules that could never reject a clip.

    Raises:
        ConfigInvalidError: a rule has no bound, or no signal makes a number of its column.
    """
    schema = _schema(signals)
    usable = [
        field.name
        for field in schema
        if field.name not in ("kept", "reason_value")  # what the rules themselves decide
        and _is_number(field.type)
    ]
    for rule in rules:
        if rule.column not in usable:
            raise ConfigInvalidError(
                f"the filter {rule.reason!r} asks for a number {rule.column!r}, which a clip of "
                f"this recipe does not have; it has: {', '.join(usable)}",
                hint=f"leave the filter out with --set cut.filters.{rule.reason}=none, "
                "or add the signal that makes the column",
            )
        if rule.minimum is None and rule.maximum is None:
            raise ConfigInvalidError(
                f"the filter {rule.reason!r} has neither a minimum nor a maximum",
                hint=f"for example --set cut.filters.{rule.reason}.minimum=0.2",
            )


def refuse_names(captioners: Mapping[str, Any], signals: Sequence[Any]) -> None:
    """Refuse text columns that cannot be called so.

    Raises:
        ConfigInvalidError: a name is none, or taken by a column of clips.
    """
    # SQL takes names that differ in case alone for the same.
    taken = {name.lower() for name in _schema(signals).names}
    for name, component in captioners.items():
        if not NAME.fullmatch(name):
            raise ConfigInvalidError(
                f"{name!r} cannot name a column: use letters, digits, '.', '_' and '-'"
            )
        columns = [name, *(f"{name}_{extra}" for extra in traits_of(component).extras)]
        if reserved := reserved_name(columns):
            raise ConfigInvalidError(
                f"{reserved!r} is a name that is given to rows in a selection: choose another name"
            )
        clash = [column for column in columns if column.lower() in taken]
        if clash:
            raise ConfigInvalidError(
                f"a clip has a column {clash[0]!r} already: choose another name"
            )
        taken.update(column.lower() for column in columns)


def _schema(signals: Sequence[Any]) -> pa.Schema:
    return clip_schema({name: kind for made in signals for name, kind in made.columns.items()})


def _is_number(kind: pa.DataType) -> bool:
    types = pa.types
    return bool(types.is_boolean(kind) or types.is_integer(kind) or types.is_floating(kind))


def validate_components(
    detector: Detector, signals: Sequence[Any], specs: Mapping[str, ColumnSpec]
) -> None:
    """Run detector and signals over two seconds in which nothing happens.

    Raises:
        ConfigInvalidError: one reads a column that no observer of the recipe makes.
    """
    stored = {name: np.zeros(_FRAMES, np.dtype(spec.dtype)) for name, spec in specs.items()}
    frames = np.arange(_FRAMES, dtype=np.int64)
    timeline = Timeline("0" * 32, frames, Fraction(1, _FPS), _FRAMES / _FPS, stored, specs)
    try:
        detector.detect(timeline)
        for signal in signals:
            signal.measure(timeline, TimeSpan(0.0, _FRAMES / _FPS), ())
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        # Any other fault may lie in the blank video: a real one, in the cut pass, decides.
        return
