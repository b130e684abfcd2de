"""The benchmark over real clips: spans become clips, folds share no video, chance is right."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from benchmarks.marks import MarkedCaptions, MarkedShots, label_sources, read_marks
from benchmarks.real_clips import captioned, chance, deal, make_source, measure, run, tiny
from internvid.core.contracts import ClipView
from internvid.core.types import Clip, Timeline, TimeSpan


def timeline() -> Timeline:
    """Four seconds at 10 frames a second."""
    return Timeline("v", np.arange(40), Fraction(1, 10), 4.0, {}, {})


def view(clip_id: str, video: str, start: float, end: float) -> ClipView:
    return ClipView(Clip(clip_id, video, TimeSpan(start, end), 0, 0), {}, [])


def test_marks_cut_a_video_at_frames() -> None:
    shots = MarkedShots((("v", (0.0, 1.02, 2.5, 9.0)),)).detect(timeline())
    assert [shot.span.start_seconds for shot in shots] == pytest.approx([0.0, 1.1, 2.5])
    assert [shot.span.end_seconds for shot in shots] == pytest.approx([1.1, 2.5, 4.0])
    assert [shot.transition for shot in shots] == ["start", "cut", "cut"]


def test_a_clip_gets_the_sentence_of_its_own_span() -> None:
    component = MarkedCaptions(
        (
            ("v", 0.0, 0.167, "first"),
            ("v", 0.167, 6.0, "second"),
            ("w", 0.0, 9000.0, "all of it"),
        )
    )
    views = [
        view("a", "v", 0.0, 0.2),
        view("b", "v", 0.2, 6.0),
        view("c", "v", 6.0, 8.0),
        view("d", "w", 0.0, 1.0),
        view("e", "x", 0.0, 1.0),
    ]
    found = {each.clip_id: each.value for each in component.caption(views)}
    assert found == {"a": "first", "b": "second", "c": None, "d": "all of it", "e": None}


def test_copies_are_one_source(tmp_path: Path) -> None:
    (tmp_path / "dedup_groups.csv").write_text(
        "group,file\nbird,odd/a.mp4\nbird,videos/b.mp4\n", "utf-8"
    )
    label = label_sources(tmp_path)
    assert label(tmp_path / "odd/a.mp4") == label(tmp_path / "videos/b.mp4") == "videos/bird"
    assert label(tmp_path / "odd/c.mp4") == "odd/c.mp4"


def test_no_video_lies_in_two_folds() -> None:
    sources = [f"video-{at % 7}" for at in range(30)] + ["large"] * 9
    folds = deal(sources, 4)
    assert sorted(at for fold in folds for at in fold) == list(range(39))
    assert max(map(len, folds)) - min(map(len, folds)) <= 5
    owners = [{sources[at] for at in fold} for fold in folds]
    assert sum(map(len, owners)) == len(set(sources))


def test_chance_is_that_of_an_order_by_lot() -> None:
    texts = ["one", "two", "two", "three", "four", "four", "four", "five"]
    rng = np.random.default_rng(0)
    best = [
        min(int(np.flatnonzero(order == at)[0]) for at in range(8) if texts[at] == text)
        for order in (rng.permutation(8) for _ in range(4000))
        for text in set(texts)
    ]
    found = chance(texts)
    for k in (1, 5):
        assert found[f"chance_r{k}"] == pytest.approx(100 * np.mean(np.array(best) < k), abs=1)
    assert found["queries"] == 5


@pytest.mark.slow
@pytest.mark.media
def test_real_clips_are_learned_by_heart(media: Path, tmp_path: Path) -> None:
    source = captioned(make_source(media, tmp_path, most=12))
    marks = read_marks(media, 12)
    assert sorted(map(str, source.captions)) == sorted(mark.caption for mark in marks)
    assert len(set(source.sources or ())) < len(source.captions)
    made = run(tiny(len(marks), 30, 0), source, tmp_path / "run")
    assert made.curve[-1][1] < made.curve[0][1]
    found = measure(made.model, source, range(len(marks)))
    assert found["r5"] > 1.5 * found["chance_r5"]
