"""CIDEr and BLEU of captions: the best, the worst, the missing, and tables that are none."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest

from internvid.core.binding import origin_of
from internvid.core.contracts import Annotation, ClipView
from internvid.core.errors import DependencyMissingError, MisuseError
from internvid.evaluation.benchmarks.caption_metrics import (
    Reference,
    evaluate_captioner,
    read_references,
    score_captions,
)

REFERENCES = [
    Reference("a.mp4", 0.0, 2.0, ("A brown dog runs over the green grass.", "A dog is running.")),
    Reference("a.mp4", 2.0, 4.0, ("A man cooks soup in a small kitchen.",)),
    Reference("b.mp4", 0.0, 3.5, ("Snow falls on the roofs of an old town at night.",)),
]


def test_the_references_themselves_score_best_and_other_words_nothing() -> None:
    best = score_captions({each.key: each.captions[0].upper() for each in REFERENCES}, REFERENCES)
    assert best.bleu_4 == pytest.approx(1, abs=1e-6)
    assert best.cider > 7
    assert (best.spans, best.answered) == (3, 3)
    other = score_captions({each.key: "quantum flapdoodle" for each in REFERENCES}, REFERENCES)
    assert other.cider == pytest.approx(0, abs=1e-6)
    assert other.bleu_1 < 1e-6


def test_captions_of_the_wrong_clips_score_worse() -> None:
    right = {each.key: each.captions[0] for each in REFERENCES}
    moved = dict(zip(right, [*list(right.values())[1:], right[REFERENCES[0].key]], strict=True))
    assert score_captions(moved, REFERENCES).cider < score_captions(right, REFERENCES).cider / 5


def test_spans_without_a_text_count_as_empty() -> None:
    whole = {each.key: each.captions[0] for each in REFERENCES}
    part = {REFERENCES[0].key: REFERENCES[0].captions[0]}
    scores = score_captions(part, REFERENCES)
    assert (scores.spans, scores.answered) == (3, 1)
    assert scores.cider < score_captions(whole, REFERENCES).cider / 2
    assert score_captions({}, REFERENCES).as_row()["cider"] == 0


def test_a_table_is_read_and_captions_of_one_span_belong_together(tmp_path: Path) -> None:
    table = tmp_path / "captions.csv"
    table.write_text(
        'file,start,end,caption\na.mp4,0,2.5,"A dog, running."\na.mp4,0,2.5,A dog\nb.mp4,1,2,x\n'
    )
    assert read_references(table) == [
        Reference("a.mp4", 0.0, 2.5, ("A dog, running.", "A dog")),
        Reference("b.mp4", 1.0, 2.0, ("x",)),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "file,start,caption\na,0,b\n",
        "file,start,end,caption\na,zero,1,b\n",
        "file,start,end,caption\na,2,1,b\n",
        "file,start,end,caption\na,0,nan,b\n",
        "file,start,end,caption\na,0,1,\n",
        "file,start,end,caption\na,0\n",
        "",
    ],
)
def test_tables_that_make_no_sense_are_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "captions.csv").write_text(text)
    with pytest.raises(MisuseError):
        read_references(tmp_path / "captions.csv")


def test_no_references_are_refused() -> None:
    with pytest.raises(MisuseError):
        score_captions({}, [])


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pycocoevalcap.bleu.bleu", None)
    with pytest.raises(DependencyMissingError, match=r"internvid\[evaluate\]"):
        score_captions({"a": "b"}, REFERENCES)


@dataclass(frozen=True)
class Knowing:
    """Says what it is told to, by the number of pictures."""

    version: ClassVar[int] = 1

    def caption(self, clips: Iterable[ClipView]) -> Iterable[Annotation]:
        for view in clips:
            text = f"a clip of {len(view.picks)} pictures"
            yield Annotation(
                view.clip.clip_id, text, origin=origin_of(view.clip.clip_id, view.picks)
            )


def test_any_captioner_is_scored_on_spans_of_files(world_videos: list[Path]) -> None:
    video = world_videos[0]
    references = [
        Reference(video.name, 0.0, 2.0, ("a clip of 4 pictures",)),
        Reference(video.name, 2.0, 3.0, ("a clip of 2 pictures",)),
        Reference("missing.mp4", 0.0, 1.0, ("nothing",)),
    ]
    scores, texts = evaluate_captioner(Knowing(), references, video.parent)
    assert texts == {each.key: each.captions[0] for each in references[:2]}
    assert (scores.spans, scores.answered) == (3, 2)
    assert scores.bleu_1 > 0.5
