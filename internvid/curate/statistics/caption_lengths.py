"""How long captions are, in words and in characters, and which of them are read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
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
    """Where texts are.

    Attributes:
        view: quoted name of the rows. rows: how many.
        key: SQL of what tells rows apart, several expressions with commas.
        language: SQL of the language of a text, or None.
        seed: of every sample; another one draws other rows.
    """

    view: str
    rows: int
    key: str
    language: str | None = None
    seed: int = 0

    def sampled(self, count: int, among: int) -> str:
        """SQL condition that about `count` of `among` rows fulfil, drawn by a hash of the key."""
        if count >= among:
            return "true"
        most = int(_HASHES * (count / among))
        return f"{self.hash} < {most}::ubigint"

    @property
    def hash(self) -> str:
        """SQL of the number that rows are drawn by, the smallest first."""
        return f"hash({int(self.seed)}, {self.key})"


def is_unspaced(text: str, language: str | None) -> str:
    """SQL of whether a text has no blanks between words: its language decides, else its letters.

    Args:
        text: SQL of the text.
        language: SQL of its language, if a column states it.
    """
    # Most texts are plain ASCII, which two lengths tell faster than a pattern.
    foreign = f"(length({text}) - length(regexp_replace({text}, '{_SCRIPTS}', '', 'g')))"
    by_letters = (
        f"case when strlen({text}) = length({text}) then false "
        f"else {foreign} * 3 >= length({text}) end"
    )
    if language is None:
        return by_letters
    code = f"lower(split_part(split_part(trim({language}::varchar), '-', 1), '_', 1))"
    names = ", ".join(f"'{name}'" for name in (*UNSPACED, *_NAMES))
    return f"(case when coalesce({code}, '') = '' then {by_letters} else {code} in ({names}) end)"


def caption_lengths(
    connection: duckdb.DuckDBPyConnection, captions: Captions, name: str, quoted: str
) -> CaptionLengths:
    """Lengths of one column of texts; of a sample where there are too many to count them all.

    Args:
        connection: where the texts are.
        captions: where, and how to draw a sample.
        name, quoted: of the column, plain and as SQL.
    """
    sampled = captions.rows > EXACT_ROWS
    where = captions.sampled(MEASURED_OF_MANY, captions.rows) if sampled else "true"
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
        f"from (select {quoted}::varchar as text, {captions.language or 'null'}::varchar as "
        f"language from {captions.view} where {where})) "
        "group by grouping sets ((words, is_null), (characters, is_null))"
    ).fetchall()
    by_words = [(words, count) for kind, words, _, no, count in rows if kind == 0 and not no]
    by_length = sorted((length, count) for kind, _, length, no, count in rows if kind and not no)
    total = sum(count for _, count in by_length)
    return {
        "column": name,
        "rows": captions.rows,
        "captions": total,
        "missing": sum(row[4] for row in rows if row[0] == 0 and row[3]),
        "sampled": sampled,
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
