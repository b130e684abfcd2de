"""What the captions say, over the whole dataset: their lengths and their words."""

from __future__ import annotations

import re
from dataclasses import dataclass

from internvid.browse.column_facts import Column
from internvid.browse.wording import shorten
from internvid.dataset.store import Dataset

MOST_WORDS = 80
_LEVELS = 6

# Words that every English text is full of; nothing is learned by seeing them large.
STOP_WORDS = frozenset(
    re.findall(
        r"\w+",
        """a about above after all also an and any are as at be been before being below between both
    but by can could did do does doing down each for from further had has have having he her here
    hers him his how i if in into is it its itself just me more most my no nor not now of off on
    once only or other our out over own s same she so some such t than that the their them then
    there these they this those through to too under until up us very was we were what when where
    which while who whom why will with would you your""",
    )
)


@dataclass(frozen=True)
class Word:
    """One word: in how many texts it stands, and how large to write it, 1 to 6."""

    text: str
    texts: int
    level: int


@dataclass(frozen=True)
class Texts:
    """One text column.

    Attributes:
        answered: clips that have a text. of: kept clips.
        median_words: half of the texts are at most that long.
        different: how many texts differ.
    """

    column: Column
    answered: int
    of: int
    different: int
    median_words: float | None
    words: tuple[Word, ...]


def describe_texts(dataset: Dataset, column: Column) -> Texts:
    """Lengths and words of one text column over the kept clips."""
    # Words as the paper counts them: what stands between blanks.
    length = f"len(string_split_regex(trim({column.sql}), '\\s+'))"
    answered, of, different, median = dataset.connection.execute(
        f"select count({column.sql}), count(*), count(distinct {column.sql}), "
        f"quantile_cont({length}, 0.5) filter ({column.sql} is not null) from clips"
    ).fetchall()[0]
    return Texts(
        column=column,
        answered=answered,
        of=of,
        different=different,
        median_words=median,
        words=_words(dataset, column),
    )


def _words(dataset: Dataset, column: Column) -> tuple[Word, ...]:
    rows = dataset.connection.execute(
        "select word, count(*) as texts from (select unnest(list_distinct("
        f"regexp_extract_all(lower({column.sql}), '[\\p{{L}}\\p{{N}}][\\p{{L}}\\p{{N}}''’-]*'))) "
        f"as word from clips where {column.sql} is not null) "
        "where len(word) > 1 and not list_contains(?, word) "
        f"group by word order by texts desc, word limit {MOST_WORDS}",
        [sorted(STOP_WORDS)],
    ).fetchall()
    if not rows:
        return ()
    most, least = rows[0][1] ** 0.5, rows[-1][1] ** 0.5
    spread = max(most - least, 1e-9)
    return tuple(
        Word(shorten(text, 40), texts, 1 + round((_LEVELS - 1) * (texts**0.5 - least) / spread))
        for text, texts in rows
    )
