"""How long captions are, in words and in characters, and which of them are read."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypedDict

from internvid.curate.statistics.paper import CAPTION_CHARACTERS, CAPTION_LENGTH
from internvid.curate.statistics.spreads import (
    EXACT_ROWS,
    Shares,
    bucket_shares,
    significant,
    weighted_quantiles,
)

if TYPE_CHECKING:
    import duckdb

MEASURED_OF_MANY = 200_000
"""So many captions are measured where there are more rows than are counted exactly."""
UNSPACED = ("zh", "ja", "th", "lo", "km", "my")
"""Languages that write no blanks between words, by their two-letter codes."""

_SCRIPTS = "[\\p{Han}\\p{Hiragana}\\p{Katakana}\\p{Thai}\\p{Lao}\\p{Khmer}\\p{Myanmar}]"
_NAMES = {
    "chinese": "zh", "zho": "zh", "chi": "zh", "cmn": "zh", "yue": "zh", "japanese": "ja",
    "jpn": "ja", "thai": "th", "tha": "th", "lao": "lo", "khmer": "km", "burmese": "my",
}  # fmt: skip
# Every blank of Unicode but the plain one.
_ODD_BLANKS = (
    "\\t\\n\\v\\f\\r\\x{85}\\x{A0}\\x{1680}\\x{2000}-\\x{200A}\\x{2028}\\x{2029}"
    "\\x{202F}\\x{205F}\\x{3000}"
)
_IRREGULAR = f"  |[{_ODD_BLANKS}]|^ | $"
_WORD = f"[^ {_ODD_BLANKS}]+"
_HASHES = 2**64
_DRAWN = '"internvid_described_captions"'


class Lengths(TypedDict):
    """How long texts are: mean, quantiles (share -> value), and shares of buckets."""

    mean: float | None
    minimum: int | None
    maximum: int | None
    quantiles: dict[str, float]
    shares: Shares


class CaptionLengths(TypedDict):
    """The lengths of one column of texts.

    Attributes:
        column: its name.
        rows: of the table. captions: texts that were measured, a sample of the rows where
            `sampled`. missing: measured rows without a text.
        no_words: texts without a letter or digit; they count as 0 words.
        unspaced: texts in a script without blanks between words (Chinese, Japanese, Thai, Lao,
            Khmer, Burmese): their words are not counted, their characters are.
        words: what stands between blanks, as the paper counts. characters: Unicode code points.
    """

    column: str
    rows: int
    captions: int
    missing: int
    sampled: bool
    no_words: int
    unspaced: int
    words: Lengths
    characters: Lengths


@dataclass(frozen=True)
class Captions:
    """One column of texts.

    Attributes:
        name: of the column. text: SQL of it.
        view: quoted name of the rows.
        rows: how many the whole table has.
        key: SQL of what tells rows apart, several expressions with commas.
        language: SQL of the language of a text.
        seed: of every sample; another one draws other rows.
        share: how much of the whole table `view` has, those with the smallest hashes.
        hash: SQL of the number that rows are drawn by; without it, of `key`.
    """

    name: str
    text: str
    view: str
    rows: int
    key: str
    language: str = "null"
    seed: int = 0
    share: float = 1.0
    hash: str = ""

    @property
    def draw(self) -> str:
        """SQL of the number that rows are drawn by, the smallest first."""
        return self.hash or f"hash({int(self.seed)}, {self.key})"

    def drawn(self, share: float) -> str:
        """SQL condition that this share of the rows of the whole table fulfils."""
        return "true" if share >= 1 else f"{self.draw} < {int(_HASHES * share)}::ubigint"


@contextlib.contextmanager
def sample(connection: duckdb.DuckDBPyConnection, captions: Captions) -> Iterator[Captions]:
    """A random sample in place of the texts, where there are more than are counted exactly.

    Args:
        connection: where the texts are; a table is made in it for the block.
        captions: the texts.
    """
    if captions.rows <= EXACT_ROWS:
        yield captions
        return
    share = MEASURED_OF_MANY / captions.rows
    connection.execute(
        f"create or replace temp table {_DRAWN} as select {captions.text}::varchar as text, "
        f"{captions.language}::varchar as language, {captions.draw} as draw "
        f"from {captions.view} where {captions.drawn(share)}"
    )
    try:
        yield replace(
            captions, view=_DRAWN, text="text", language="language", hash="draw", share=share
        )
    finally:
        connection.execute(f"drop table if exists {_DRAWN}")


def is_unspaced(text: str, language: str) -> str:
    """SQL of whether a text has no blanks between words: its language decides, else its letters.

    Args:
        text: SQL of the text.
        language: SQL of its language, null where none is known.
    """
    # Most texts are plain ASCII, which two lengths tell faster than a pattern.
    foreign = f"(length({text}) - length(regexp_replace({text}, '{_SCRIPTS}', '', 'g')))"
    by_letters = (
        f"case when strlen({text}) = length({text}) then false "
        f"else {foreign} * 3 >= length({text}) end"
    )
    code = language_code(language)
    names = ", ".join(f"'{name}'" for name in (*UNSPACED, *_NAMES))
    return f"(case when {code} = '' then {by_letters} else {code} in ({names}) end)"


def language_code(language: str) -> str:
    """SQL of the first part of a language's tag in lower case: `zh` of `zh-CN`; "" of none."""
    return f"coalesce(lower(split_part(split_part(trim({language}), '-', 1), '_', 1)), '')"


def caption_lengths(connection: duckdb.DuckDBPyConnection, captions: Captions) -> CaptionLengths:
    """Lengths of one column of texts.

    Args:
        connection: where the texts are.
        captions: the texts, or a sample of them.
    """
    # A pattern is slow: only texts with other than single plain blanks are split by one.
    words = (
        f"case when text is null or {is_unspaced('text', 'language')} then null "
        "when not regexp_matches(text, '[\\p{L}\\p{N}]') then 0 "
        f"when regexp_matches(text, '{_IRREGULAR}') "
        f"then len(regexp_extract_all(text, '{_WORD}')) "
        "else strlen(text) - strlen(replace(text, ' ', '')) + 1 end"
    )
    rows = connection.execute(
        "select grouping(words) as by_characters, words, characters, is_null, count(*) from ("
        f"select {words} as words, length(text) as characters, text is null as is_null "
        f"from (select {captions.text}::varchar as text, {captions.language}::varchar as "
        f"language from {captions.view})) "
        "group by grouping sets ((words, is_null), (characters, is_null))"
    ).fetchall()
    by_words = [(words, count) for kind, words, _, no, count in rows if kind == 0 and not no]
    by_length = sorted((length, count) for kind, _, length, no, count in rows if kind and not no)
    total = sum(count for _, count in by_length)
    name = captions.name
    return {
        "column": name,
        "rows": captions.rows,
        "captions": total,
        "missing": sum(row[4] for row in rows if row[0] == 0 and row[3]),
        "sampled": captions.share < 1,
        "no_words": sum(count for words, count in by_words if words == 0),
        "unspaced": sum(count for words, count in by_words if words is None),
        "words": _lengths(
            sorted((words, count) for words, count in by_words if words is not None),
            bucket_shares([row for row in by_words if row[0] is not None], CAPTION_LENGTH, name),
        ),
        "characters": _lengths(by_length, bucket_shares(by_length, CAPTION_CHARACTERS, name)),
    }


def _lengths(counted: Sequence[tuple[int, int]], shares: Shares) -> Lengths:
    total = sum(count for _, count in counted)
    return {
        "mean": significant(sum(value * count for value, count in counted) / total)
        if total
        else None,
        "minimum": counted[0][0] if counted else None,
        "maximum": counted[-1][0] if counted else None,
        "quantiles": weighted_quantiles(counted),
        "shares": shares,
    }
