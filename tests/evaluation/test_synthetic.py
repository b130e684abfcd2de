"""Rendered benchmarks: an all-knowing model scores everything, a blind one chance or less."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import pytest

from internvid.core.errors import ConfigInvalidError
from internvid.evaluation.benchmarks.rendered import (
    DIRECTIONS,
    SyntheticDirection,
    SyntheticRetrieval,
    draw_distinct,
    repeat_middle,
)
from internvid.evaluation.embedding.embed_clips import Run
from internvid.evaluation.embedding.embedders import FakeEmbedder, Frames, Identity, Vectors
from internvid.synthetic.clips import is_held_out, render_clip


class KnowingEmbedder:
    """Knows the sentence of every clip of a benchmark by heart, and nothing else."""

    def __init__(self, benchmark: SyntheticRetrieval | SyntheticDirection) -> None:
        self.texts = {}
        for seed in benchmark.seeds:
            for spec in benchmark.draw(seed):
                video = render_clip(spec, 8, benchmark.size or 64)
                self.texts[video.tobytes()] = benchmark.texts([spec])[0]

    def video_vectors(self, videos: Sequence[Frames]) -> Vectors:
        return self.text_vectors([self.texts.get(v.tobytes(), "unknown") for v in videos])

    def text_vectors(self, texts: Sequence[str]) -> Vectors:
        return FakeEmbedder(64).text_vectors(texts)

    def identity(self) -> Identity:
        return Identity("knowing", "k", "none", 8)


def test_clips_are_held_out_and_their_sentences_differ() -> None:
    specs = draw_distinct(5, 200, cameras=("static",))
    assert len({spec.text() for spec in specs}) == len(specs) == 200
    assert all(is_held_out(*spec.triple) for spec in specs)
    assert specs == draw_distinct(5, 200, cameras=("static",))
    assert specs != draw_distinct(6, 200, cameras=("static",))
    ways = draw_distinct(5, 100, cameras=("static",), motions=DIRECTIONS)
    counts = {way: sum(spec.motion == way for spec in ways) for way in DIRECTIONS}
    assert counts == dict.fromkeys(DIRECTIONS, 25)
    with pytest.raises(ConfigInvalidError, match="different held-out sentences"):
        draw_distinct(5, 5000, cameras=("static",))


@pytest.mark.parametrize("kind", [SyntheticRetrieval, SyntheticDirection])
def test_knowing_everything_scores_all_and_one_frame_scores_nothing(
    kind: type[SyntheticRetrieval | SyntheticDirection],
) -> None:
    benchmark = kind(clips=30, seeds=(1, 2), size=16)
    result = benchmark.evaluate(KnowingEmbedder(benchmark), Run())
    name = "top1" if kind is SyntheticDirection else "text_to_video_r1"
    assert result.metrics[name] == 100.0
    assert result.metrics[f"middle_frame_{name}"] < 40.0
    assert set(result.runs) == {"1", "2"}
    assert result.protocol.details["seeds"] == [1, 2]
    if kind is SyntheticDirection:
        assert {f"{way}_top1" for way in DIRECTIONS} <= set(result.metrics)


def test_a_model_without_sense_of_time_scores_the_same_twice() -> None:
    class Still(FakeEmbedder):
        def video_vectors(self, videos: Sequence[Frames]) -> Vectors:
            return super().video_vectors([repeat_middle(video) for video in videos])

    numbers = SyntheticDirection(clips=40, seeds=(3,), size=16).evaluate(Still(), Run()).metrics
    assert numbers["top1"] == numbers["middle_frame_top1"]


def test_the_middle_frame_stands_still() -> None:
    frames = np.arange(8, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 2, 3), np.uint8)
    assert set(repeat_middle(frames).ravel().tolist()) == {4}
    assert repeat_middle(frames).shape == frames.shape


def test_fields_change_the_protocol_and_not_the_model() -> None:
    first = SyntheticRetrieval(clips=10, seeds=(1,), size=16)
    one = first.evaluate(FakeEmbedder(), Run())
    two = dataclasses.replace(first, frames=4).evaluate(FakeEmbedder(), Run())
    assert one.protocol.differences(two.protocol) == ["frames"]
    assert one == first.evaluate(FakeEmbedder(), Run())
    with pytest.raises(ConfigInvalidError):
        dataclasses.replace(first, seeds=()).evaluate(FakeEmbedder(), Run())
