"""The estimate of tokens beside real tokenizers, over texts of a file or of the manual.

    python -m benchmarks.tokens [--texts FILE] [--tokenizer NAME] [--sentencepiece FILE]

FILE of texts: one a line. CLIP's tokenizer always counts; `--tokenizer` adds one of transformers,
`--sentencepiece` a model file of SentencePiece (package sentencepiece).
"""

from __future__ import annotations

import argparse
import re
import statistics
from collections.abc import Callable
from pathlib import Path

from internvid.models.tokens.token_counters import clip_counter, pretrained_counter
from internvid.publishing.texts.token_limits import estimated_tokens

PAGES = ("README.md", "docs/publishing.md", "docs/captions.md", "docs/world.md", "docs/subsets.md")


def paragraphs() -> list[str]:
    """Paragraphs of prose of the manual, each in one line."""
    root = Path(__file__).resolve().parents[1]
    found = []
    for name in PAGES:
        text = re.sub(r"```.*?```", "", (root / name).read_text("utf-8"), flags=re.DOTALL)
        text = re.sub(r"^[|#].*$", "", text, flags=re.MULTILINE)
        found += [" ".join(part.split()) for part in text.split("\n\n")]
    return [text for text in found if len(text) > 80]


def sentencepiece_counter(path: str) -> Callable[[str], int]:
    """Pieces of a text, and one for its end."""
    from sentencepiece import SentencePieceProcessor

    processor = SentencePieceProcessor(model_file=path)
    return lambda text: len(processor.encode(text)) + 1


def main() -> None:
    """Print the ratio of the estimate to each count."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--texts", type=Path)
    parser.add_argument("--tokenizer", action="append", default=[])
    parser.add_argument("--sentencepiece", action="append", default=[])
    given = parser.parse_args()
    texts = given.texts.read_text("utf-8").splitlines() if given.texts else paragraphs()
    texts = [text for text in texts if text.strip()]
    counters = {
        "clip": clip_counter(),
        **{name: pretrained_counter(name) for name in given.tokenizer},
        **{Path(name).name: sentencepiece_counter(name) for name in given.sentencepiece},
    }
    print(f"{len(texts)} texts, {min(map(len, texts))} to {max(map(len, texts))} characters")
    for name, count in counters.items():
        ratios = sorted(estimated_tokens(text) / count(text) for text in texts)
        print(
            f"{name}: estimate / count: {ratios[0]:.2f} to {ratios[-1]:.2f}, "
            f"median {statistics.median(ratios):.2f}"
        )


if __name__ == "__main__":
    main()
