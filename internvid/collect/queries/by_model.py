"""Actions and translations by a language model behind a chat server, each answer checked.

An action counts only if its words are in the text it was found in; a translation only if it is one
short line. What a model makes up is left out and counted.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

from internvid.captions.requests import Request
from internvid.captions.server.chat import converse
from internvid.captions.server.config import ServedModel
from internvid.collect.queries.lemmas import Lemmas
from internvid.collect.queries.phrases import Action
from internvid.core.binding import origin_of

_TEXTS_AT_ONCE = 256
_MOST_TOKENS = 96
_MOST_WORDS = 5
_LONGEST = 2000
_FIND = """\
Below is the description of a video. List the visible actions in it, each as a verb in its plain \
form and, where there is one, the noun that it is done to: "play guitar", "jump". Use only words \
of the description. Answer with the actions alone, separated by semicolons, or with the word none.

Description: {text}"""
_TRANSLATE = """\
Translate this search phrase for videos from English into {language}, as people who speak it would \
type it. Answer with the phrase alone.

Phrase: {text}"""
LANGUAGES: Mapping[str, str] = {
    "ar": "Arabic",
    "de": "German",
    "es": "Spanish",
    "fr": "French",
    "hi": "Hindi",
    "id": "Indonesian",
    "it": "Italian",
    "ja": "Japanese",
    "ko": "Korean",
    "pt": "Portuguese",
    "ru": "Russian",
    "th": "Thai",
    "tr": "Turkish",
    "vi": "Vietnamese",
    "zh": "Chinese",
}
"""Code of ISO 639-1 -> name, of the languages that phrases are translated into."""


@dataclass
class Answers:
    """What a model answered, and what of it was of no use.

    Attributes:
        failed: questions without an answer.
        unsupported: actions that are not in their text, or are no short phrases.
    """

    failed: int = 0
    unsupported: int = 0


def actions_by_model(
    texts: Iterable[str], served: ServedModel, lemmas: Lemmas, tally: Answers
) -> Iterator[list[Action]]:
    """The actions of each text, in the order of the texts.

    Args:
        texts: descriptions.
        served: the model.
        lemmas: plain forms of words, by which answers are checked.
        tally: counts what is of no use.

    Raises:
        ServiceError: the server cannot be reached, or refuses.
        BudgetSpentError: the budget is used up.
    """
    pending = iter(texts)
    while batch := list(islice(pending, _TEXTS_AT_ONCE)):
        answers = _answers([_FIND.format(text=text[:_LONGEST]) for text in batch], served, tally)
        for text, answer in zip(batch, answers, strict=True):
            yield list(_checked(answer, text, lemmas, tally)) if answer else []


def translations_by_model(
    phrases: Iterable[str], language: str, served: ServedModel, tally: Answers
) -> Iterator[str]:
    """Each phrase in another language, in their order; empty where there is no usable answer."""
    pending = iter(phrases)
    while batch := list(islice(pending, _TEXTS_AT_ONCE)):
        name = LANGUAGES.get(language, language)
        prompts = [_TRANSLATE.format(language=name, text=phrase) for phrase in batch]
        for phrase, answer in zip(batch, _answers(prompts, served, tally), strict=True):
            text = answer.strip(" .\"'“”「」«»")
            if text and (len(text) > 20 + 4 * len(phrase) or ":" in text):
                tally.unsupported += 1
                text = ""
            yield text


def _answers(prompts: list[str], served: ServedModel, tally: Answers) -> list[str]:
    """Answers in the order of the prompts, which come back in any; empty for failures."""
    requests = []
    for prompt in prompts:
        name = hashlib.blake2b(prompt.encode("utf-8", "replace"), digest_size=16).hexdigest()
        requests.append(Request(name, (), prompt, origin_of(name, prompt=prompt)))
    unique = {request.clip_id: request for request in requests}
    found: dict[str, str] = {}
    for request, answer in converse(served, unique.values(), _MOST_TOKENS, with_pictures=False):
        found[request.clip_id] = "" if answer.failure else answer.text
    texts = [found.get(request.clip_id, "") for request in requests]
    tally.failed += sum(not text for text in texts)
    return texts


def _checked(answer: str, text: str, lemmas: Lemmas, tally: Answers) -> Iterator[Action]:
    known = set(lemmas.of(text))
    for part in re.split(r"[;\n]", answer):
        phrase = part.strip(" .,-*\"'").lower()
        if not phrase or phrase == "none":
            continue
        words = phrase.split()
        if len(words) > _MOST_WORDS or not set(lemmas.of(phrase)) <= known:
            tally.unsupported += 1
            continue
        yield Action(words[0], " ".join(words[1:]))
