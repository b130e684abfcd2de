"""Bytes of a subtitle file as text: in the encoding it is really in, or refused.

Files from before UTF-8 do not say which code page they use, and every code page reads every file:
the wrong one gives words that look like "Ïðèâåò". So an old code page counts only where what it
gives can be words of a language that uses it.
"""

from __future__ import annotations

import codecs
import itertools
import unicodedata

from internvid.core.errors import InternvidError

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# Letters beyond a to z of the languages that a code page of Latin script was made for.
_ALPHABETS = {
    "cp1252": {
        "fr": "àâæçéèêëîïôœùûüÿ", "de": "äöüß", "es": "áéíóúüñ", "pt": "áâãàçéêíóôõúü",
        "it": "àèéìíîòóùú", "nl": "áèéëïóöü", "sv": "åäöé", "da": "æøåé", "no": "æøåéèêòóô",
        "fi": "äöåšž", "is": "áðéíóúýþæö", "ca": "àçéèíïóòúü", "et": "äõöüšž", "sq": "ëç",
    },
    "cp1250": {
        "pl": "ąćęłńóśźż", "cs": "áčďéěíňóřšťúůýž", "sk": "áäčďéíĺľňóôŕšťúýž",
        "hu": "áéíóöőúüű", "ro": "ăâîşţ", "hr": "čćđšž", "sl": "čšž", "bs": "čćđšž",
    },
    "cp1254": {"tr": "çğıöşüâîû\u0307", "az": "çğıöşü\u0307"},
    "cp1257": {"lt": "ąčęėįšųūž", "lv": "āčēģīķļņšūž"},
}  # fmt: skip
# Code pages of other scripts: what its letters are called in Unicode's table of names.
_SCRIPTS = {
    "ru": (("cp1251", "koi8-r", "cp866"), ("CYRILLIC",)),
    "uk": (("cp1251", "koi8-u"), ("CYRILLIC",)),
    "be": (("cp1251",), ("CYRILLIC",)),
    "bg": (("cp1251",), ("CYRILLIC",)),
    "mk": (("cp1251",), ("CYRILLIC",)),
    "sr": (("cp1251",), ("CYRILLIC",)),
    "el": (("cp1253", "iso8859-7"), ("GREEK",)),
    "he": (("cp1255",), ("HEBREW",)),
    "ar": (("cp1256",), ("ARABIC",)),
    "fa": (("cp1256",), ("ARABIC",)),
    "ur": (("cp1256",), ("ARABIC",)),
    "th": (("cp874",), ("THAI",)),
    "ja": (("cp932", "euc_jp"), ("CJK", "HIRAGANA", "KATAKANA")),
    "ko": (("cp949",), ("HANGUL", "CJK")),
    "zh": (("gb18030", "big5"), ("CJK",)),
}
_COMMON_CHINESE = frozenset("的一是不了在人有我他这這个個们們中来來上大为為和你到说說好吗嗎")
_LEAST_FITTING = 0.95


class EncodingUnknownError(InternvidError):
    """No encoding gives text that can be read; a guess would be words that nobody wrote."""


def decode_text(data: bytes, language: str = "") -> tuple[str, str]:
    """A file's text and the name of its encoding.

    In this order: a byte order mark, UTF-16 without one, UTF-8, then the code pages of the
    language, or Windows-1252 where none is known.

    Args:
        data: the file.
        language: ISO 639-1 code of what it is written in; empty where that is not known.

    Raises:
        EncodingUnknownError: nothing fits.
    """
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            text = _strict(data[len(mark) :], encoding)
            return _known(text, encoding, data)
    wide = _without_mark(data)
    if wide:
        return _known(_strict(data, wide), wide, data)
    text = _strict(data, "utf-8")
    if text is not None:
        twice = _encoded_twice(text)
        return (text, "utf-8") if twice is None else (twice, "utf-8 twice")
    return _in_code_page(data, language)


def _strict(data: bytes, encoding: str) -> str | None:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        return None


def _known(text: str | None, encoding: str, data: bytes) -> tuple[str, str]:
    if text is None:
        raise _unknown(data)
    return text, encoding


def _unknown(data: bytes) -> EncodingUnknownError:
    return EncodingUnknownError(
        f"the encoding of a text of {len(data)} bytes cannot be told",
        hint="write it in UTF-8, or its language into the file's name: film.ru.srt",
    )


def _without_mark(data: bytes) -> str:
    """UTF-16 by its zeros: digits, arrows and line ends of subtitles have one each."""
    start = data[:4096]
    even, odd = start[0::2].count(0), start[1::2].count(0)
    least = len(start) // 16
    if len(start) < 4 or max(even, odd) <= least:
        return ""
    if even > least and odd > least:
        return ""
    return "utf-16-le" if odd > even else "utf-16-be"


def _encoded_twice(text: str) -> str | None:
    """What a text was before somebody took its UTF-8 for Windows-1252, if that happened."""
    if text.isascii():
        return None
    try:
        return text.encode("cp1252").decode("utf-8")
    except UnicodeError:
        # Ordinary texts have a letter that is no piece of UTF-8.
        return None


def _in_code_page(data: bytes, language: str) -> tuple[str, str]:
    if language in _SCRIPTS:
        encodings, names = _SCRIPTS[language]
        texts = ((encoding, _strict(data, encoding)) for encoding in encodings)
        fitting = [
            (encoding, text)
            for encoding, text in texts
            if text is not None and _fits_script(text, names)
        ]
        if fitting:
            # Chinese has two code pages that read most of each other's files.
            encoding, text = max(fitting, key=lambda one: _common_share(one[1]))
            return text, encoding
        raise _unknown(data)
    for encoding, alphabets in _ALPHABETS.items():
        if language in alphabets:
            fit = {language: alphabets[language]}
        elif encoding == "cp1252" and not _has_code_page(language):
            fit = alphabets
        else:
            continue
        decoded = _strict(data, encoding)
        if decoded is not None and _fits_alphabet(decoded, fit):
            return decoded, encoding
    raise _unknown(data)


def _has_code_page(language: str) -> bool:
    return any(language in alphabets for alphabets in _ALPHABETS.values())


def _fits_alphabet(text: str, alphabets: dict[str, str]) -> bool:
    """Whether the letters beyond ASCII are those of one language, and no sign stands in a word."""
    letters = [c for c in text.lower() if not c.isascii() and c.isalpha()]
    if _has_controls(text) or _signs_in_words(text):
        return False
    fitting = max(sum(c in alphabet for c in letters) for alphabet in alphabets.values())
    return fitting >= _LEAST_FITTING * len(letters)


def _fits_script(text: str, names: tuple[str, ...]) -> bool:
    letters = [c for c in text if not c.isascii() and c.isalpha()]
    if _has_controls(text) or not letters:
        return False
    fitting = sum(unicodedata.name(c, "").startswith(names) for c in letters)
    # Read in the wrong Cyrillic code page, small letters become capitals.
    rising = sum(a.islower() and b.isupper() for a, b in itertools.pairwise(text))
    shouted = sum(c.isupper() for c in letters) > sum(c.islower() for c in letters)
    return (
        fitting >= _LEAST_FITTING * len(letters) and rising <= len(letters) / 20 and not shouted
    ) or (fitting == len(letters) and not any(c.islower() or c.isupper() for c in letters))


def _has_controls(text: str) -> bool:
    return any(unicodedata.category(c) == "Cc" and c not in "\t\n\r\x0b\x0c" for c in text)


def _signs_in_words(text: str) -> bool:
    """Whether signs such as "¹" or "º" stand between letters, as letters of others do."""
    triples = zip(text, text[1:], text[2:], strict=False)
    return any(
        not sign.isascii()
        and before.isalpha()
        and after.isalpha()
        and (unicodedata.category(sign) in ("So", "Sc", "Sk", "Sm", "No") or sign in "¿¡ªº¶§")
        for before, sign, after in triples
    )


def _common_share(text: str) -> float:
    letters = [c for c in text if not c.isascii()]
    return sum(c in _COMMON_CHINESE for c in letters) / max(1, len(letters))
