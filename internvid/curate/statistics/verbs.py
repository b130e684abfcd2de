"""Verbs and nouns of captions (*actionness*): how many different ones, and the commonest."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, TypedDict

from internvid.curate.statistics.caption_lengths import Captions, is_unspaced, language_code
from internvid.curate.statistics.taggers import INSTALL, Tagger, what_is_missing

if TYPE_CHECKING:
    import duckdb

DEFAULT_CAPTIONS = 20_000
MOST_COMMON = 30
NOTHING_READ = "not counted: no caption was read"
_BATCH = 2000
_ENGLISH = "('', 'en', 'eng', 'english')"


class CountedWord(TypedDict):
    """A word by its lemma, and how often it stands in the captions that were read."""

    word: str
    count: int


class WordsOfKind(TypedDict):
    """The verbs, or the nouns, of captions.

    Attributes:
        distinct: different written forms, in lower case; the paper counts these.
        distinct_lemmas: different words.
        count: all of them.
        per_1000_captions: `count` for each 1,000 captions read.
        commonest: the 30 commonest.
    """

    distinct: int
    distinct_lemmas: int
    count: int
    per_1000_captions: float | None
    commonest: list[CountedWord]


class CaptionVerbs(TypedDict):
    """Verbs and nouns of one column of captions.

    How many different verbs there are depends on how many captions were read: compare only counts
    of equally many.

    Attributes:
        column: of which column.
        tagger: what found them; None if none is installed, or no caption was to be read.
        says: how it decides, or what is missing. install: how to get it, where it is missing.
        captions: that were read. of: that there are, as far as known. seed: of the sample.
        passed_over: drawn captions that are not in English by their language or letters.
    """

    column: str
    tagger: str | None
    says: str
    install: str | None
    captions: int
    of: int
    seed: int
    passed_over: int
    verbs: WordsOfKind
    nouns: WordsOfKind


def caption_verbs(
    connection: duckdb.DuckDBPyConnection,
    captions: Captions,
    of: int,
    limit: int | None,
    tagger: Tagger | None,
    tell: Callable[[int], None],
) -> CaptionVerbs:
    """Verbs and nouns of a random sample of one column of captions.

    Args:
        connection: where the texts are.
        captions: the texts, with as many of them as `is_enough` needs.
        of: how many texts the column has, as far as known.
        limit: captions to read; all when None, none when 0.
        tagger: tells verbs; None where none is installed, or none is needed.
        tell: is called with how many captions are read.
    """
    forms: dict[str, set[str]] = {"VERB": set(), "NOUN": set()}
    lemmas: dict[str, Counter[str]] = {"VERB": Counter(), "NOUN": Counter()}
    read = passed_over = 0
    says, install = (NOTHING_READ, None) if limit == 0 else (what_is_missing(), INSTALL)
    if tagger is not None and limit != 0:
        says, install = tagger.says, None
        tell(0)
        for texts in _batches(connection, captions, limit, of):
            english = [text for text, fits in texts if fits and _is_latin(text)]
            passed_over += len(texts) - len(english)
            for tagged in tagger.tag(english):
                for form, lemma, kind in tagged:
                    forms[kind].add(form)
                    lemmas[kind][lemma] += 1
            read += len(english)
            tell(read)
    return {
        "column": captions.name,
        "tagger": tagger.name if tagger is not None and limit != 0 else None,
        "says": says, "install": install,
        "captions": read, "of": of, "seed": captions.seed, "passed_over": passed_over,
        "verbs": _words(forms["VERB"], lemmas["VERB"], read),
        "nouns": _words(forms["NOUN"], lemmas["NOUN"], read),
    }  # fmt: skip


def _words(forms: set[str], lemmas: Counter[str], read: int) -> WordsOfKind:
    total = sum(lemmas.values())
    ranked = sorted(lemmas.items(), key=lambda item: (-item[1], item[0]))
    return {
        "distinct": len(forms),
        "distinct_lemmas": len(lemmas),
        "count": total,
        "per_1000_captions": round(1000 * total / read, 3) if read else None,
        "commonest": [{"word": word, "count": count} for word, count in ranked[:MOST_COMMON]],
    }


def is_enough(captions: Captions, limit: int | None, of: int) -> bool:
    """Whether a sample of the texts holds as many as are to be read."""
    return captions.share >= _share(limit, of)


def _share(limit: int | None, of: int) -> float:
    """How much of the texts to draw: a few more than wanted, of which the first are taken."""
    return 1.0 if limit is None or not of else min(1.0, (limit * 1.1 + 500) / of)


def _batches(
    connection: duckdb.DuckDBPyConnection, captions: Captions, limit: int | None, of: int
) -> Iterator[list[tuple[str, bool]]]:
    """Drawn texts, and whether each may be English, a batch at a time."""
    code = language_code("language")
    fits = f"not {is_unspaced('text', 'language')} and {code} in {_ENGLISH}"
    where = f"{captions.text} is not null and {captions.drawn(_share(limit, of))}"
    order = f"order by draw, text limit {limit}" if limit is not None and limit < of else ""
    relation = connection.execute(
        f"select text, {fits} from (select {captions.text}::varchar as text, "
        f"{captions.language}::varchar as language, {captions.draw} as draw "
        f"from {captions.view} where {where}) {order}"
    )
    while rows := relation.fetchmany(_BATCH):
        yield rows


def _is_latin(text: str) -> bool:
    """Whether most letters are Latin ones; a text without letters is read too: it has no verbs."""
    if text.isascii():
        return True
    letters = [letter for letter in text if letter.isalpha()]
    latin = sum(unicodedata.name(letter, "").startswith("LATIN") for letter in letters)
    return 2 * latin >= len(letters)
