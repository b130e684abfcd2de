"""Rules that reject clips, each with the word that stands for it in the data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from internvid.core.errors import ConfigInvalidError


@dataclass(frozen=True)
class FilterRule:
    """One rule: a clip whose column lies outside is rejected for `reason`.

    Attributes:
        column: a signal's column, or `duration_seconds`. A boolean counts as 0 or 1.
        reason: one word, kept with the rejected clip.
        minimum: smaller values are rejected.
        maximum: larger values are rejected.
    """

    column: str
    reason: str
    minimum: float | None = None
    maximum: float | None = None


class ByReason:
    """How the rules of a cut are named in assignments: by their reasons.

    A rule of a recipe is chosen by its reason; a new one begins with its column.
    """

    hint = (
        "name all that there shall be, or begin a new rule with its column: "
        "cut.filters.dark.column=brightness, cut.filters.dark.minimum=0.2"
    )

    def name_of(self, member: FilterRule) -> str:
        """Its reason."""
        return member.reason

    def make(self, name: str) -> FilterRule:
        """The rule that a recipe of ours has for that reason.

        Raises:
            ConfigInvalidError: none has.
        """
        known = {rule.reason: rule for rule in (*DEFAULT_FILTERS, *PAPER_FILTERS)}
        if name not in known:
            raise ConfigInvalidError(
                f"no recipe has a filter {name!r}; known: {', '.join(known)}", hint=self.hint
            )
        return known[name]

    def begin(self, name: str, path: str) -> FilterRule | None:
        """A new rule, if its column is what is about to be set."""
        return FilterRule("", name) if path == "column" else None

    def opened(self, member: FilterRule) -> FilterRule:
        """The rule."""
        return member

    def closed(self, member: FilterRule) -> FilterRule:
        """The rule."""
        return member


def apply_filters(
    row: Mapping[str, Any], rules: Sequence[FilterRule]
) -> tuple[bool, str, float | None]:
    """(kept, reason, value) by the first rule that fails; a null or absent value fails none."""
    for rule in rules:
        value = row.get(rule.column)
        if value is None:
            continue
        low = rule.minimum is not None and value < rule.minimum
        high = rule.maximum is not None and value > rule.maximum
        if low or high:
            return False, rule.reason, float(value)
    return True, "", None


_BLACK = (
    # Half of the clip without a picture: leaders, ends of films, failed encodes.
    FilterRule("black_frames_share", "black", maximum=0.5),
)
# "Clips in still or extreme dynamics (e.g. a browse of a photo gallery) are removed" (InternVid,
# section 3; neither measure nor threshold is given). Ours are claims of the signals, tested on
# worlds of known truth, so the rules only ask whether the claim is made.
_STILL = (
    FilterRule("is_slideshow", "slideshow", maximum=0),
    FilterRule("is_still", "still", maximum=0),
)
_EXTREME = (
    FilterRule("is_flickering", "flicker", maximum=0),
    # A third of the time: a whip pan or a passing body at one end of a good clip is kept.
    FilterRule("motion_extreme_share", "extreme", maximum=0.33),
)

DEFAULT_FILTERS = (
    # Under a second there is no event to describe.
    FilterRule("duration_seconds", "too_short", minimum=1.0),
    *_BLACK,
    *_STILL,
    *_EXTREME,
)
# The paper's own list: still and extreme only. Its shots of any length were kept.
PAPER_FILTERS = (*_STILL, *_EXTREME)
