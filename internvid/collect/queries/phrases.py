"""Actions in sentences: a verb with its object, by a grammar or by a dictionary.

spaCy's parser knows which noun a verb acts on. Without a pipeline, lemminflect's dictionary says
which words can be verbs and nouns, and an object is the noun that follows; that overcounts.
"""

from __future__ import annotations

import functools
import re
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from internvid.core.errors import DependencyMissingError
from internvid.curate.statistics.taggers import INSTALL, english_pipeline

_LONGEST = 5000
# Verbs that say nothing without the words that are not kept.
WEAK = frozenset(
    """
    be have do go get make take let seem become keep start begin stop continue try want need
    use see show look appear contain include say tell talk speak ask know think feel like
    come stand sit happen give put set
    """.split()  # noqa: SIM905 - read, and kept, as one text
)
# Not an action even with an object: what somebody sees, and what the camera does.
NO_ACTIONS = frozenset(
    """
    be have see show seem appear become contain include mean let zoom pan transition
    """.split()  # noqa: SIM905 - read, and kept, as one text
)
# No object of an action: pronouns, and words of the camera's place.
NO_OBJECTS = frozenset(
    """
    he she it they them him her his i me we us you who whom what that this these those one
    ones something someone somebody anything everything nothing other others another each
    both all some back front side top bottom left right end beginning time way lot bit thing
    things kind part piece couple number type background foreground camera video clip scene
    screen frame picture image
    """.split()  # noqa: SIM905 - read, and kept, as one text
)
_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*|[.,;:!?]")
_DETERMINERS = frozenset(
    """
    a an the his her its their my your our this that these those some two three four several
    """.split()  # noqa: SIM905 - read, and kept, as one text
)
_PARTICLES = frozenset(
    """
    up down off out over away back on in around apart together
    """.split()  # noqa: SIM905 - read, and kept, as one text
)


@dataclass(frozen=True)
class Action:
    """A verb in its plain form, with a particle where it has one, and the noun that it acts on."""

    verb: str
    object: str = ""

    @property
    def phrase(self) -> str:
        """The words to search by: `play guitar`, `jump`."""
        return f"{self.verb} {self.object}".strip()


@dataclass(frozen=True)
class Extractor:
    """Finds actions.

    Attributes:
        name: package and version.
        extract: texts -> the actions of each, in order.
    """

    name: str
    extract: Callable[[Iterable[str]], Iterator[list[Action]]]


@functools.lru_cache(maxsize=1)
def find_extractor() -> Extractor:
    """The best extractor that is installed.

    Raises:
        DependencyMissingError: neither a spaCy pipeline nor lemminflect is.
    """
    found = _spacy() or _lemminflect()
    if found is None:
        raise DependencyMissingError(
            "actions are found in texts by a spaCy pipeline for English or by lemminflect, and "
            "neither is installed",
            hint=f"{INSTALL}; or name a language model with --model and --server",
        )
    return found


def _spacy() -> Extractor | None:
    found = english_pipeline(("ner", "senter"))
    if found is None or "parser" not in found[0].pipe_names:
        return None
    pipeline, name = found
    return Extractor(name, functools.partial(_parsed, pipeline))


def _parsed(pipeline: Any, texts: Iterable[str]) -> Iterator[list[Action]]:
    for document in pipeline.pipe((text[:_LONGEST] for text in texts), batch_size=128):
        actions = []
        for token in document:
            if token.pos_ != "VERB" or not token.text.isalpha():
                continue
            verb = token.lemma_.lower()
            if verb in NO_ACTIONS:
                continue
            for child in token.children:
                if child.dep_ == "prt":
                    verb += f" {child.lower_}"
            objects = [child for child in token.children if child.dep_ in ("dobj", "obj")]
            passive = [child for child in token.children if child.dep_ == "nsubjpass"]
            nouns = [_noun(each) for each in objects or passive]
            actions += [Action(verb, noun) for noun in nouns if noun]
            if not objects and not passive and verb not in WEAK:
                actions.append(Action(verb))
        yield actions


def _noun(token: Any) -> str:
    """The noun with the nouns before it that are part of its name."""
    if token.pos_ not in ("NOUN", "PROPN") or not token.text.isalpha():
        return ""
    if token.lemma_.lower() in NO_OBJECTS:
        return ""
    before = [
        child.lower_
        for child in token.children
        if child.dep_ == "compound" and child.text.isalpha() and child.i < token.i
    ]
    return " ".join([*before, token.lemma_.lower()])


def _lemminflect() -> Extractor | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import lemminflect
    except ImportError:
        return None

    @functools.lru_cache(maxsize=100_000)
    def read(word: str) -> tuple[str, str]:
        """The plain forms of a word as a verb and as a noun; empty where it is none."""
        lemmas = lemminflect.getAllLemmas(word)
        verb, noun = lemmas.get("VERB", ("",))[0], lemmas.get("NOUN", ("",))[0]
        if "ADJ" in lemmas and not word.endswith("ing"):
            verb = ""
        if verb and noun and not word.endswith(("ing", "ed", "s")):
            verb = ""  # a bare `run` is a noun as often
        return verb, noun

    def extract(texts: Iterable[str]) -> Iterator[list[Action]]:
        for text in texts:
            yield _by_words(_WORD.findall(text[:_LONGEST].lower()), read)

    return Extractor(f"lemminflect {lemminflect.__version__}", extract)


def _by_words(words: list[str], read: Callable[[str], tuple[str, str]]) -> list[Action]:
    actions = []
    at = 0
    while at < len(words):
        word, before = words[at], words[at - 1] if at else ""
        at += 1
        verb, noun = read(word)
        # After a determiner it is a noun: `a building`; a plural is one unless a noun acts.
        if not verb or verb in NO_ACTIONS or before in _DETERMINERS or before in _PARTICLES:
            continue
        if noun and word.endswith("s") and not (before and read(before)[1]):
            continue
        if at < len(words) and words[at] in _PARTICLES:
            verb, at = f"{verb} {words[at]}", at + 1
        name, at = _noun_after(words, at, read)
        if name:
            actions.append(Action(verb, name))
        elif verb not in WEAK and not noun:
            actions.append(Action(verb))
    return actions


def _noun_after(
    words: list[str], at: int, read: Callable[[str], tuple[str, str]]
) -> tuple[str, int]:
    """The noun right behind a verb, after a determiner and one word more; and where it ends."""
    start = at
    while at < len(words) and words[at] in _DETERMINERS:
        at += 1
    name: list[str] = []
    for word in words[at : at + 4]:
        verb, noun = read(word)
        if not noun or word in NO_OBJECTS or noun in NO_OBJECTS or (verb and name):
            if name or len(word) < 3 or not word.isalpha() or noun or verb:
                break
            at += 1  # an adjective
            continue
        name.append(noun)
        at += 1
        if len(name) == 2:
            break
    return (" ".join(name), at) if name else ("", start)
