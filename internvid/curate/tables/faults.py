"""Lines of a table that are no rows: how many, why, and the first of each kind of trouble.

| reason | the line |
|---|---|
| `malformed_json` | is not JSON |
| `not_an_object` | is JSON, but no object with columns |
| `wrong_fields` | has more or fewer fields than the header, or a quote that nothing closes |
| `too_long` | is longer than 16 MiB |
| `cut_off` | is the end of a JSON array that nothing closes: what followed is lost |
| `after_array` | is what follows the end of a JSON array |
| `malformed_list` | is a video whose lists of clips cannot be read, or are not equally long |
| `no_clips` | is a video whose lists are empty |
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

MOST_CHARACTERS = 200
MOST_KEPT = 10_000


@dataclass(frozen=True)
class FaultyLine:
    """A line that is no row.

    Attributes:
        file: that it stands in.
        line: its number, from 1.
        reason: one word.
        text: its first 200 characters.
    """

    file: Path
    line: int
    reason: str
    text: str


@dataclass
class Faults:
    """What could not be read as rows.

    Attributes:
        counts: lines of each reason.
        kept: the first 10,000 of them, in the order of the input.
    """

    counts: Counter[str] = field(default_factory=Counter)
    kept: list[FaultyLine] = field(default_factory=list)

    @property
    def total(self) -> int:
        """How many lines are no rows."""
        return self.counts.total()

    def add(self, line: FaultyLine) -> None:
        """Count a line, and keep it while there are few."""
        self.counts[line.reason] += 1
        if len(self.kept) < MOST_KEPT:
            self.kept.append(line)
