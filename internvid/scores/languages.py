"""Codes and names of languages, as files and streams of subtitles carry them."""

from __future__ import annotations

import re

_CODES = """
    aa ab ae af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch co cr cs cu cv cy da
    de dv dz ee el en eo es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz
    ia id ie ig ii ik io is it iu iw ja jv ka kg ki kj kk kl km kn ko kr ks ku kv kw ky la lb lg li
    ln lo lt lu lv mg mh mi mk ml mn mr ms mt my na nb nd ne ng nl nn no nr nv ny oc oj om or os pa
    pi pl ps pt qu rm rn ro ru rw sa sc sd se sg si sk sl sm sn so sq sr ss st su sv sw ta te tg th
    ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo za zh zu
    """
_ISO_639_1 = frozenset(_CODES.split())
# ISO 639-2 and -3, both forms where there are two, and English names: what players accept.
_OTHER_NAMES = """
    ar ara arabic|bg bul bulgarian|bn ben bengali|ca cat catalan|cs ces cze czech|da dan danish
    |de deu ger german|el ell gre greek|en eng english|es spa spanish|et est estonian
    |eu eus baq basque|fa fas per persian|fi fin finnish|fr fra fre french|gl glg galician
    |he heb hebrew|hi hin hindi|hr hrv croatian|hu hun hungarian|id ind indonesian
    |is isl ice icelandic|it ita italian|ja jpn japanese|ka kat geo georgian|ko kor korean
    |lt lit lithuanian|lv lav latvian|mk mkd mac macedonian|ms msa may malay|nl nld dut dutch
    |no nor nob nno norwegian|pl pol polish|pt por portuguese|ro ron rum romanian|ru rus russian
    |sk slk slo slovak|sl slv slovenian|sq sqi alb albanian|sr srp serbian|sv swe swedish
    |ta tam tamil|te tel telugu|th tha thai|tl fil tgl filipino|tr tur turkish|uk ukr ukrainian
    |ur urd urdu|vi vie vietnamese|zh zho chi cmn yue chinese|he iw|zh chs cht
    """
_NAMED = {name: words.split()[0] for words in _OTHER_NAMES.split("|") for name in words.split()[1:]}
_TAG = re.compile(r"([a-z]{2,3})(?:[-_][a-z0-9]{1,8})*\Z")


def language_code(name: str) -> str:
    """The ISO 639-1 code that a word stands for: `en` of "EN", "eng", "en-GB", "English".

    Returns:
        An empty text where the word names no language.
    """
    lowered = name.lower()
    if lowered in _NAMED:
        return _NAMED[lowered]
    match = _TAG.match(lowered)
    if match is None:
        return ""
    base = match.group(1)
    return _NAMED.get(base, base if base in _ISO_639_1 else "")
