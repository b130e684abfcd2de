"""Captions that mirroring would make false: they name a side or a sense of rotation."""

from __future__ import annotations

import re

_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_ENDINGS = (
    "s|y|ies|ie|ish|er|ers|most|wards?|wardly|hand|handed|hander|handers|side|mentions_direction|"
    "foot|footed|footer|footers|wing|winger|wingers|field"
)
# Parted where words are: class names write `turn_left`, `turnLeft`, `left-most`.
_DIRECTION = re.compile(
    rf"(?<![^\W_])(?:left|right)(?:{_ENDINGS})?(?![^\W_])"
    r"|(?<![^\W_])(?:counter|anti|contra)?[\s_-]*clock[\s_-]*wise(?![^\W_])"
    r"|(?<![^\W_])(?:widder|wither)shins(?![^\W_])"
    r"|(?<![^\W_])(?:star|lar)board(?![^\W_])"
    r"|(?<![^\W_])southpaws?(?![^\W_])",
    re.IGNORECASE,
)


def mentions_direction(text: str) -> bool:
    """Whether a text names a side or a sense of rotation.

    `left`, `rightmost`, `leftwards`, `right-handed`, `anticlockwise` and their like, in sentences
    and in class names. `left` of leaving and `right` of being right count too: a clip that is
    not mirrored loses nothing, one that is mirrored wrongly teaches the wrong side. `leftovers`,
    `bright` and `rightly` do not.
    """
    return bool(_DIRECTION.search(_CAMEL.sub(" ", text)))
