"""Rendered benchmarks: an all-knowing model scores everything, a blind one chance or less."""

from __future__ import annotations

import dataclasses
import hashlib
import math
import re
from collections.abc import Sequence

import numpy as np
import pytest

from internvid.core.errors import ConfigInvalidError
from internvid.evaluation.benchmarks.attributes import ATTRIBUTES, SyntheticAttributes
from internvid.evaluation.benchmarks.rendered import (
    DIRECTIONS,
    SyntheticBenchmark,
    SyntheticDirection,
    SyntheticRetrieval,
    draw_distinct,
    repeat_middle,
)
from internvid.evaluation.embedding.embed_clips import Run
from internvid.evaluation.embedding.embedders import FakeEmbedder, Frames, Identity, Vectors
from internvid.synthetic.clips import is_held_out, render_clip
from internvid.synthetic.scripts.world_words import MOTIONS, SHAPES


class KnowingEmbedder:
    """Knows the sentence of every clip of a benchmark by heart, and nothing else."""

    def __init__(self, benchmark: SyntheticBenchmark) -> None:
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


class ShapelessEmbedder(KnowingEmbedder):
    """Knows all of each sentence but the shape: any shape is a thing."""

    def text_vectors(self, texts: Sequence[str]) -> Vectors:
        blind = [re.sub("|".join(SHAPES), "thing", text) for text in texts]
        return super().text_vectors(blind)


def test_swapping_tells_which_attribute_a_model_does_not_see() -> None:
    benchmark = SyntheticAttributes(clips=32, seeds=(1, 2), size=16)
    result = benchmark.evaluate(ShapelessEmbedder(benchmark), Run())
    expected = {f"{name}_top1": 0.0 if name == "shape" else 100.0 for name in ATTRIBUTES}
    assert {name: result.metrics[name] for name in expected} == expected  # ties are no answers
    assert result.metrics["middle_frame_motion_top1"] < 60.0
    assert set(result.runs) == {"1", "2"}
    whole = benchmark.evaluate(KnowingEmbedder(benchmark), Run()).metrics
    assert whole["shape_top1"] == 100.0
    assert set(whole) == {f"{p}{n}_top1" for p in ("", "middle_frame_") for n in ATTRIBUTES}


def test_guessing_reaches_the_chance_that_the_protocol_states() -> None:
    benchmark = SyntheticAttributes(clips=400, seeds=(1,), size=16)
    result = benchmark.evaluate(GuessingEmbedder(), Run())
    chance = result.protocol.details["chance"]
    assert chance == {
        "colour": 12.5,
        "shape": 12.5,
        "size": 50.0,
        "tone": 33.33,
        "motion": 12.5,
        "direction": 25.0,
    }
    for name, percent in chance.items():
        # 400 clips, 200 of them with a direction: within four standard errors.
        count = 200 if name == "direction" else 400
        error = 100.0 * math.sqrt(percent / 100 * (1 - percent / 100) / count)
        assert abs(result.metrics[f"{name}_top1"] - percent) < 4 * error, name


class GuessingEmbedder(FakeEmbedder):
    """Vectors of videos and of texts are drawn from their bytes, without any relation."""

    def video_vectors(self, videos: Sequence[Frames]) -> Vectors:
        return self.text_vectors([hashlib.sha256(video.tobytes()).hexdigest() for video in videos])

    def text_vectors(self, texts: Sequence[str]) -> Vectors:
        drawn = []
        for text in texts:
            seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
            drawn.append(np.random.default_rng(seed).standard_normal(32))
        vectors: Vectors = np.array(drawn, np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors


def test_attributes_are_measured_on_seen_combinations_too() -> None:
    benchmark = SyntheticAttributes(clips=24, seeds=(1,), size=16)
    seen = dataclasses.replace(benchmark, held_out=False)
    assert all(is_held_out(*spec.triple) for spec in benchmark.draw(1))
    assert not any(is_held_out(*spec.triple) for spec in seen.draw(1))
    motions = [spec.motion for spec in seen.draw(1)]
    assert all(motions.count(motion) == 3 for motion in MOTIONS)
    one, two = (each.evaluate(FakeEmbedder(), Run()).protocol for each in (benchmark, seen))
    assert one.details["combinations"] == "held out"
    assert two.details["combinations"] == "seen"
    assert one.fingerprint != two.fingerprint
    with pytest.raises(ConfigInvalidError, match="different seen sentences"):
        dataclasses.replace(seen, clips=20000, cameras=("static",)).draw(1)


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
