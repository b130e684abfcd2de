"""The health of a text: reasons to distrust it that need no picture.

`check_text` is what audits and captioners share. Its rules look for the ways in which captioning
models are known to fail: no words, one phrase over and over, a refusal instead of a caption,
far too much, another language, and what chat models write around an answer (the names of
`internvid.captions.checks.cleaning`). `unsupported_words` compares a fused sentence with the lines
that it was made from.
"""

from __future__ import annotations

import functools
import importlib.util
import re
from collections.abc import Callable, Iterable, Sequence

from internvid.captions.checks.cleaning import STEPS, leftovers
from internvid.core.errors import ConfigInvalidError, DependencyMissingError

REASONS = ("empty", "too_long", "looping", "refusing", "wrong_language", *STEPS)
MAXIMUM_WORDS = 200
# Longer texts are judged by their beginning and end: loops and refusals show there.
_WINDOW_CHARACTERS = 4000
# Below this probability of the wanted language a text counts as another one's. Short captions are
# hard to tell: all of 129 human captions, and their first five words, stay above 0.01.
_LEAST_PROBABILITY = 0.001
_FEWEST_LETTERS = 12

_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")
_SCRIPT = re.compile(r"[^\W\d_]")
# A run of up to 24 characters at least six times over, for scripts without spaces.
_CHARACTER_LOOP = re.compile(r"(\S.{0,23}?)\1{5,}", re.DOTALL)
_CANNOT = (
    r"(?:can['’]?t|cannot|can\s+not|won['’]?t"
    r"|(?:am|are|['’]m|['’]re)?\s*(?:unable|not\s+able)\s+to)"
)
_REFUSALS = re.compile(
    rf"""
    ^\W*(?:(?:i['’]?m|i\s+am|we\s+are)\s+(?:(?:really|very|so)\s+)?sorry|sorry|apologies|unfortunately)
        \b[^.!?]{{0,40}}\b(?:can['’]?t|cannot|can\s+not|unable|not\s+able|won['’]?t|don['’]?t)\b
    | \b(?:i|we)\s*{_CANNOT}\s+
        (?:assist|help|comply|provide|view|see|watch|describe|identify|process|analy[sz]e|access)
    | \b(?:i|we)\s+(?:do\s+not|don['’]?t)\s+have\s+the\s+ability\s+to\b
    | \bas\s+an?\s+(?:ai|artificial\s+intelligence|(?:large\s+)?language\s+model)\b
    | \bno\s+(?:image|video|frame|picture)s?\s+
        (?:(?:was|were|has\s+been|have\s+been)\s+)?(?:provided|attached|uploaded)\b
    | \b(?:please|could\s+you)\s+(?:provide|upload|attach|share)\s+
        (?:the|an?|your)\s+(?:image|video|frame|picture)
    """,
    re.IGNORECASE | re.VERBOSE,
)
# Words that carry no claim about what is to be seen.
_FUNCTION_WORDS = frozenset(
    re.findall(
        r"\S+",
        """
    a about above across after again against all along also although am among an and another any are
    around as at away back be because been before behind being below beneath beside besides between
    both but by can could did do does doing down during each either else every few for from further
    had has have having he her here hers him his how however i if in inside into is it its itself
    just like main many may me more most much my near next no nor not now of off on once one only
    onto or other others our out outside over own part past per quite rather same several she
    should since so some something somewhere still such than that the their them then there these
    they thing this those though through throughout to together too toward towards under until up
    upon us very via was we were what when where whether which while who whom whose why will with
    within without would yet you your
    image images picture pictures photo photos photograph video videos clip clips frame frames
    scene scenes shot shots footage camera view shows show showing shown see seen sees depict
    depicts depicting depicted feature features featuring featured display displays displaying
    appear appears appearing contain contains containing include includes including
    begin begins start starts end ends followed follow follows finally first second last later
    various different
    """,
    )
)


def check_text(
    text: str | None, language: str = "en", maximum_words: int = MAXIMUM_WORDS
) -> list[str]:
    """Reasons to distrust a text, of `REASONS`; none for a healthy one.

    Args:
        text: the caption as stored.
        language: two-letter code that it should be written in; empty to leave that unchecked.
        maximum_words: more words than that are too many.

    Raises:
        DependencyMissingError: a language is requested and `py3langid` is not installed (see
            `can_tell_language`).
    """
    if text is None or not _WORD.search(text):
        return ["empty"]
    problems = []
    if is_too_long(text, maximum_words):
        problems.append("too_long")
    if is_looping(text):
        problems.append("looping")
    if is_refusing(text):
        problems.append("refusing")
    if language and language_probability(text, language) < _LEAST_PROBABILITY:
        problems.append("wrong_language")
    around = {name for window in _windows(text) for name in leftovers(window)}
    return [*problems, *(name for name in STEPS if name in around)]


def is_too_long(text: str, maximum_words: int) -> bool:
    """Whether a text has more words than that, or more letters than so many words would."""
    # 12 letters a word: scripts without spaces are one word to the pattern.
    return len(text) > 12 * maximum_words or len(_WORD.findall(text)) > maximum_words


def is_looping(text: str) -> bool:
    """Whether a text says one thing over and over.

    A word four times in a row, a phrase of two to twelve words three times in a row, a run of
    characters six times in a row, or fewer than half of all word triples different.
    """
    return any(_window_loops(window) for window in _windows(text))


def is_refusing(text: str) -> bool:
    """Whether a text declines to describe, or asks for the picture, in English."""
    return _REFUSALS.search(text[:_WINDOW_CHARACTERS]) is not None


def can_tell_language() -> bool:
    """Whether the package that tells languages is installed."""
    return importlib.util.find_spec("py3langid") is not None


def check_language(language: str) -> None:
    """Refuses what is no language that texts can be recognised to be in.

    Raises:
        ConfigInvalidError: no code of a known language.
        DependencyMissingError: `py3langid` is not installed.
    """
    known = sorted(code for code, _ in _language_ranker()("text"))
    if language not in known:
        raise ConfigInvalidError(
            f"there is no language {language!r}; there are: {', '.join(known)}",
            hint="a code such as en; empty leaves the language unchecked",
        )


def language_probability(text: str, language: str) -> float:
    """How probable it is that a text is in that language; 1 for texts too short to tell.

    Raises:
        DependencyMissingError: `py3langid` is not installed.
    """
    letters = _SCRIPT.findall(text[:_WINDOW_CHARACTERS])
    # Three letters of a foreign script say more than twelve of ours.
    foreign = sum(letter > "\u024f" for letter in letters)
    if len(letters) < _FEWEST_LETTERS and foreign < 3:
        return 1.0
    rank = _language_ranker()
    return float(dict(rank(text[:_WINDOW_CHARACTERS])).get(language, 0.0))


def unsupported_words(text: str, lines: Iterable[str]) -> list[str]:
    """Words of a sentence that none of the lines it was made from supports, in order, each once.

    A word is supported when a line has it or a form of it (plural, -ing, -ed, -er). Function words
    and words about pictures as such claim nothing.

    Args:
        text: the fused sentence.
        lines: what describes single frames.
    """
    supported = {_stem(word) for line in lines for word in _words(line)}
    claims = dict.fromkeys(word for word in _words(text) if word not in _FUNCTION_WORDS)
    return [word for word in claims if not word.isdigit() and _stem(word) not in supported]


def _words(text: str) -> list[str]:
    words = (word.lower().replace("’", "'") for word in _WORD.findall(text))
    return [part for word in words for part in word.removesuffix("'s").split("-") if part]


def _stem(word: str) -> str:
    """A word without the commonest English endings; rough, and the same for all its forms."""
    for ending, instead in (("sses", "ss"), ("ies", "y"), ("ing", ""), ("ed", ""), ("es", "")):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            word = word[: -len(ending)] + instead
            break
    else:
        if word.endswith("s") and not word.endswith("ss") and len(word) > 3:
            word = word[:-1]
    if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "aeiouls":
        word = word[:-1]
    return word[:-1] if len(word) > 3 and word[-1] in "ey" else word


def _windows(text: str) -> list[str]:
    if len(text) <= 2 * _WINDOW_CHARACTERS:
        return [text]
    return [text[:_WINDOW_CHARACTERS], text[-_WINDOW_CHARACTERS:]]


def _window_loops(text: str) -> bool:
    words = _words(text)
    if any(_repeats(words, size, 4 if size == 1 else 3) for size in range(1, 13)):
        return True
    triples = list(zip(words, words[1:], words[2:], strict=False))
    if len(triples) >= 18 and len(set(triples)) < len(triples) / 2:
        return True
    return any(_SCRIPT.search(match.group(1)) for match in _CHARACTER_LOOP.finditer(text))


def _repeats(words: Sequence[str], size: int, times: int) -> bool:
    """Whether a phrase of `size` words stands `times` times in a row."""
    wanted, run = size * (times - 1), 0
    for at in range(size, len(words)):
        run = run + 1 if words[at] == words[at - size] else 0
        if run >= wanted:
            return True
    return False


@functools.cache
def _language_ranker() -> Callable[[str], list[tuple[str, float]]]:
    try:
        from py3langid.langid import MODEL_FILE, LanguageIdentifier
    except ImportError as error:
        raise DependencyMissingError(
            "telling languages needs the package py3langid",
            hint='pip install "internvid[text]", or leave the language unchecked (language="")',
        ) from error
    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    ranker: Callable[[str], list[tuple[str, float]]] = identifier.rank
    return ranker
