"""Makes a list of search phrases: gathers them, merges ways to say one action, sieves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from internvid.captions.server.config import ServedModel
from internvid.collect.queries.by_model import Answers, actions_by_model, translations_by_model
from internvid.collect.queries.caption_texts import read_texts
from internvid.collect.queries.label_lists import phrase_of, read_labels
from internvid.collect.queries.lemmas import Lemmas
from internvid.collect.queries.phrases import WEAK, Action, find_extractor
from internvid.collect.queries.query_list import Query, QueryList, read_queries
from internvid.collect.queries.unsafe import UnsafeTerms, read_terms
from internvid.core.errors import ConfigInvalidError, MisuseError

_STEP = 500

Progress = Callable[[str, int], None]
"""Called with what is read, and how many labels or texts of it are."""


@dataclass(frozen=True)
class QueryRecipe:
    """Where phrases come from, and which are left out.

    Attributes:
        labels: lists of action labels.
        texts: texts in which actions are looked for, each with the field that has them, or None.
        lists: lists of queries, which are taken over as they are.
        least_count: a phrase of texts counts if it is found so often.
        most_words: phrases with more words are left out (`long`); 0 for no limit.
        excluded: file of phrases that are left out, one a line; matched by plain forms.
        unsafe: further file of words that no phrase may have.
        keep_unsafe: do not sieve by words at all.
        languages: into which phrases are translated, by the model.
        model: the served model that finds actions in texts and translates; None for none.
    """

    labels: Sequence[Path] = ()
    texts: Sequence[tuple[Path, str | None]] = ()
    lists: Sequence[Path] = ()
    least_count: int = 1
    most_words: int = 8
    excluded: Path | None = None
    unsafe: Path | None = None
    keep_unsafe: bool = False
    languages: Sequence[str] = ()
    model: ServedModel | None = None

    def __post_init__(self) -> None:
        if not (self.labels or self.texts or self.lists):
            raise MisuseError(
                "no list of labels, no texts and no list of queries is named",
                hint="--labels FILE, --texts FILE, or --from LIST",
            )
        if self.least_count < 1 or self.most_words < 0:
            raise ConfigInvalidError(
                f"least_count must be at least 1 and most_words 0 or more, got {self.least_count} "
                f"and {self.most_words}"
            )
        if self.languages and self.model is None:
            raise MisuseError(
                "translations are made by a language model, and none is named",
                hint="--model NAME --server URL",
            )


def make_queries(recipe: QueryRecipe, progress: Progress | None = None) -> QueryList:
    """Search phrases, each action once.

    Two phrases are one where their words have the same plain forms in the same order, articles
    apart: `playing the guitar` and `play guitar`. The way in which a list of labels says it first
    is kept; `sources` and `count` are those of all.

    Args:
        recipe: where from, and what is left out.
        progress: called now and then.

    Raises:
        MisuseError: a file is not there, or has nothing of its kind.
        DependencyMissingError: actions are to be found in texts, and nothing that can is installed.
        ServiceError: the model cannot be reached.
    """
    lemmas, dropped = Lemmas(), Counter[str]()
    gathered = _Gathered(lemmas, _Sieve(recipe, lemmas, dropped))
    translations: list[Query] = []
    for path in recipe.lists:
        queries = read_queries(path)
        translations += [query for query in queries if query.of]
        gathered.add((query for query in queries if not query.of), path.stem)
    for path in recipe.labels:
        labels = _reported(read_labels(path), path.name, progress)
        gathered.add((Query(phrase_of(label)) for label in labels), path.stem)
    phrases, extractor = _phrases_of(recipe, lemmas, dropped, progress)
    gathered.add(phrases, "")
    gathered.drop_rare(recipe.least_count)
    english = gathered.queries()
    others = [*translations, *_translated(english, recipe, dropped)]
    kept = {query.query for query in english}
    whole = [*english, *(query for query in others if query.of in kept)]
    return QueryList(tuple(whole), {name: dropped[name] for name in sorted(+dropped)}, extractor)


def _phrases_of(
    recipe: QueryRecipe, lemmas: Lemmas, dropped: Counter[str], progress: Progress | None
) -> tuple[list[Query], str | None]:
    """Actions in texts, the commonest first, and what found them."""
    counts, origins, extractor = Counter[Action](), dict[Action, set[str]](), None
    tally = Answers()
    for path, column in recipe.texts:
        texts = _reported(read_texts(path, column), path.name, progress)
        if recipe.model is not None:
            extractor = f"{recipe.model.model} (served)"
            found = actions_by_model(texts, recipe.model, lemmas, tally)
        else:
            tool = find_extractor()
            extractor, found = tool.name, tool.extract(texts)
        for actions in found:
            counts.update(actions)
            for action in actions:
                origins.setdefault(action, set()).add(path.stem)
    dropped.update({"unanswered": tally.failed, "unsupported": tally.unsupported})
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0].phrase))
    phrases = [
        Query(
            action.phrase, "phrase", sources=tuple(sorted(origins[action])), count=count,
            verb=action.verb, object=action.object,
        )
        for action, count in ranked
    ]  # fmt: skip
    return phrases, extractor


@dataclass
class _Merged:
    """One action in all its wordings: the first of them, the sources, how often it was met."""

    query: Query
    sources: set[str] = field(default_factory=set)
    count: int = 0


class _Gathered:
    """Phrases by the plain forms of their words."""

    def __init__(self, lemmas: Lemmas, sieve: _Sieve) -> None:
        self._lemmas, self._sieve = lemmas, sieve
        self._merged: dict[tuple[str, ...], _Merged] = {}

    def add(self, queries: Iterable[Query], source: str) -> None:
        """Take phrases that are not sieved out; those without sources come from `source`."""
        for query in queries:
            key = self._lemmas.of(query.query)
            if not self._sieve.takes(query.query, key):
                continue
            known = self._merged.setdefault(key, _Merged(query))
            if known.query is not query:
                self._sieve.dropped["duplicate"] += 1
                if not known.query.verb and query.verb:
                    known.query = replace(known.query, verb=query.verb, object=query.object)
            known.sources.update(query.sources or (source,))
            known.count += query.count

    def drop_rare(self, least: int) -> None:
        """Leave out phrases of texts that were found too seldom, and verbs that say nothing."""
        for key, each in list(self._merged.items()):
            is_phrase = each.query.kind == "phrase"
            if is_phrase and each.count < least:
                self._sieve.dropped["rare"] += 1
                del self._merged[key]
            elif is_phrase and not each.query.object and each.query.verb in WEAK:
                self._sieve.dropped["vague"] += 1
                del self._merged[key]

    def queries(self) -> list[Query]:
        """Each action once, with all its sources and its whole count."""
        return [
            replace(each.query, sources=tuple(sorted(each.sources)), count=each.count)
            for each in self._merged.values()
        ]


class _Sieve:
    """Says which phrases are left out, and counts them by reason."""

    def __init__(self, recipe: QueryRecipe, lemmas: Lemmas, dropped: Counter[str]) -> None:
        self.dropped = dropped
        self._most_words = recipe.most_words
        self._unsafe: UnsafeTerms | None = None
        if not recipe.keep_unsafe:
            more = read_terms(recipe.unsafe) if recipe.unsafe is not None else ()
            self._unsafe = UnsafeTerms(lemmas, more)
        terms = read_terms(recipe.excluded) if recipe.excluded is not None else ()
        self._excluded = {lemmas.of(term) for term in terms}

    def takes(self, phrase: str, key: tuple[str, ...]) -> bool:
        """Whether a phrase is taken."""
        reason = self._reason(phrase, key)
        if reason:
            self.dropped[reason] += 1
        return not reason

    def _reason(self, phrase: str, key: tuple[str, ...]) -> str:
        if not key:
            return "empty"
        if self._most_words and len(phrase.split()) > self._most_words:
            return "long"
        if key in self._excluded:
            return "excluded"
        if self._unsafe is not None and self._unsafe.find_in(phrase) is not None:
            return "unsafe"
        return ""


def _reported(texts: Iterator[str], name: str, progress: Progress | None) -> Iterator[str]:
    for at, text in enumerate(texts):
        if progress is not None and at % _STEP == 0:
            progress(name, at)
        yield text


def _translated(
    queries: Iterable[Query], recipe: QueryRecipe, dropped: Counter[str]
) -> Iterator[Query]:
    if recipe.model is None:
        return
    english = [query.query for query in queries]
    for language in recipe.languages:
        tally = Answers()
        texts = translations_by_model(english, language, recipe.model, tally)
        for phrase, text in zip(english, texts, strict=True):
            if text:
                yield Query(text, language=language, sources=(recipe.model.model,), of=phrase)
        dropped["untranslated"] += tally.failed + tally.unsupported
