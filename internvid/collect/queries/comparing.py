"""What two lists of search phrases share, word by word and by plain forms."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from internvid.collect.queries.lemmas import Lemmas
from internvid.collect.queries.query_list import Query

_SHOWN = 10


@dataclass(frozen=True)
class QueryComparison:
    """Two lists of English phrases beside each other.

    Attributes:
        queries, other_queries: phrases of each list, each once by its plain forms.
        equal: phrases that both have letter by letter.
        shared: that both have by their plain forms; `equal` ones among them.
        verbs_shared: first words, in their plain form, that both have.
        verbs, other_verbs: different first words of each.
        only_here, only_there: some of those that one list alone has.
    """

    queries: int
    other_queries: int
    equal: int
    shared: int
    verbs: int
    other_verbs: int
    verbs_shared: int
    only_here: tuple[str, ...]
    only_there: tuple[str, ...]


def compare_queries(ours: Iterable[Query], others: Iterable[Query]) -> QueryComparison:
    """Compare the English phrases of two lists; `/` and `-` in phrases count as spaces."""
    lemmas = Lemmas()
    here, there = _by_key(ours, lemmas), _by_key(others, lemmas)
    verbs, other_verbs = {key[0] for key in here}, {key[0] for key in there}
    texts = {text for all_texts in here.values() for text in all_texts}
    other_texts = {text for all_texts in there.values() for text in all_texts}
    return QueryComparison(
        queries=len(here),
        other_queries=len(there),
        equal=len(texts & other_texts),
        shared=len(here.keys() & there.keys()),
        verbs=len(verbs),
        other_verbs=len(other_verbs),
        verbs_shared=len(verbs & other_verbs),
        only_here=_some(here, there),
        only_there=_some(there, here),
    )


def _by_key(queries: Iterable[Query], lemmas: Lemmas) -> dict[tuple[str, ...], set[str]]:
    found: dict[tuple[str, ...], set[str]] = {}
    for query in queries:
        text = " ".join(query.query.lower().replace("/", " ").replace("-", " ").split())
        key = lemmas.of(text)
        if key and not query.of:
            found.setdefault(key, set()).add(text)
    return found


def _some(
    these: dict[tuple[str, ...], set[str]], those: dict[tuple[str, ...], set[str]]
) -> tuple[str, ...]:
    only = [min(texts) for key, texts in these.items() if key not in those]
    step = max(1, len(only) // _SHOWN)
    return tuple(only[::step][:_SHOWN])
