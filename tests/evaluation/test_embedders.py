"""Everything that maps videos and texts into one space keeps the same contract."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from internvid.core.errors import ComponentUnknownError, ConfigInvalidError, SourceMissingError
from internvid.evaluation.annotations.finding import VideoFolder
from internvid.evaluation.annotations.records import CaptionedClip
from internvid.evaluation.benchmarks.recognition import REFERENCE_RULE, class_vectors
from internvid.evaluation.embedding.embed_clips import Run, embed_clips
from internvid.evaluation.embedding.embedders import (
    Embedder,
    FakeEmbedder,
    FrameMeanEmbedder,
    ViCLIPEmbedder,
    count_texts,
)
from internvid.evaluation.embedding.frame_views import ViewPlan, cut_squares
from internvid.evaluation.embedding.loading import find_model, load_embedder, read_wise_ft
from internvid.models.viclip import CONFIGS, Merges, ViCLIP
from tests.evaluation.colours import ColourEmbedder, change
from tests.models.tiny.encoders import make_clip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small ViCLIP with a small vocabulary, saved."""
    torch.manual_seed(0)
    pairs = (("a", "b"), ("t", "h"), ("th", "e</w>"))
    config = dataclasses.replace(CONFIGS["tiny"], vocabulary=2 * 256 + len(pairs) + 2)
    model = ViCLIP(config)
    folder = tmp_path_factory.mktemp("model") / "tiny"
    (folder.parent / "merges.txt").write_text("#version\n" + "\n".join(" ".join(p) for p in pairs))
    model.merges_place = folder.parent / "merges.txt"
    assert isinstance(model.tokenizer.merges, Merges)
    model.save_pretrained(folder)
    return folder


def embedders(folder: Path) -> list[Embedder]:
    viclip = load_embedder(str(folder), device="cpu")
    return [viclip, FrameMeanEmbedder(viclip), FakeEmbedder(), ColourEmbedder()]


def test_each_gives_unit_vectors_that_do_not_depend_on_neighbours(folder: Path) -> None:
    rng = np.random.default_rng(0)
    videos = [rng.integers(0, 256, (4, 40 + 8 * n, 48, 3), dtype=np.uint8) for n in range(3)]
    texts = ["the abba", "", "a red ball", "the abba"]
    for embedder in embedders(folder):
        assert isinstance(embedder, Embedder)
        together = embedder.video_vectors(videos)
        alone = np.concatenate([embedder.video_vectors([video]) for video in videos])
        assert together.dtype == np.float32
        assert np.allclose(together, alone, atol=1e-5)
        words = embedder.text_vectors(texts)
        assert words.shape == (4, together.shape[1])
        assert np.allclose(words[0], words[3], atol=1e-6)
        for vectors in (together, words):
            assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_identities_follow_weights_and_not_names(folder: Path, tmp_path: Path) -> None:
    one = load_embedder(str(folder), device="cpu").identity()
    model = ViCLIP.from_pretrained(folder)
    model.save_pretrained(tmp_path / "copy")
    same = load_embedder(str(tmp_path / "copy"), device="cpu").identity()
    assert (one.digest, one.weights) == (same.digest, same.weights)
    assert one.name != same.name
    with torch.no_grad():
        model.temp.add_(1e-3)
    assert ViCLIPEmbedder(model).identity().digest != one.digest
    other = load_embedder(str(folder), device="cpu", preprocessing="clip").identity()
    assert other.digest != one.digest
    assert other.weights == one.weights
    assert FrameMeanEmbedder(ViCLIPEmbedder(model)).identity().frame_aggregation


def test_scores_are_those_of_the_model_itself(folder: Path, tmp_path: Path) -> None:
    embedder = load_embedder(str(folder), device="cpu")
    assert isinstance(embedder, ViCLIPEmbedder)
    path = change(tmp_path / "v.mp4", "red", "blue")
    clips = [CaptionedClip("v", ("x",), ("v",))]
    found = embed_clips(clips, VideoFolder.scan(tmp_path), embedder, ViewPlan(), Run())
    vector = found.vectors[0, 0]
    assert np.allclose(vector, embedder.model.encode_video(path).numpy(), atol=1e-6)
    names = ["abba", "the bat", "Tai-Chi (the)"]
    scores = vector @ class_vectors(names, REFERENCE_RULE, embedder, Run()).T
    chances = embedder.model.classify(path, names, clean=True)
    mine = torch.tensor(100 * scores).softmax(0)
    assert [float(x) for x in mine] == pytest.approx([chances[n] for n in names], abs=1e-4)


def test_frame_means_are_means_of_single_frames(folder: Path) -> None:
    inner = load_embedder(str(folder), device="cpu")
    video = np.random.default_rng(1).integers(0, 256, (4, 64, 64, 3), dtype=np.uint8)
    mean = np.mean([inner.video_vectors([frame[None]])[0] for frame in video], axis=0)
    found = load_embedder(f"frames:{folder}", device="cpu").video_vectors([video])[0]
    assert np.allclose(found, mean / np.linalg.norm(mean), atol=1e-5)
    reordered = FrameMeanEmbedder(inner).video_vectors([video[::-1].copy()])[0]
    assert np.allclose(found, reordered, atol=1e-5)


def test_models_are_named(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(load_embedder("fake"), FakeEmbedder)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "my_models.py").write_text(
        "from tests.evaluation.colours import ColourEmbedder\nmake = ColourEmbedder\nbad = dict\n"
    )
    assert isinstance(load_embedder("my_models:make"), ColourEmbedder)
    for name in ("my_models:none", "no_such:make", "my_models:bad"):
        with pytest.raises(ComponentUnknownError):
            load_embedder(name)
    with pytest.raises(SourceMissingError):
        load_embedder(str(tmp_path / "none"))
    sys.modules.pop("my_models", None)


def test_a_run_of_training_stands_for_its_model(folder: Path, tmp_path: Path) -> None:
    model = ViCLIP.from_pretrained(folder)
    for name in ("step-000000010", "step-000000200", "step-000000300.writing"):
        model.save_pretrained(tmp_path / "run" / "checkpoints" / name)
    newest = tmp_path / "run" / "checkpoints" / "step-000000200"
    assert find_model(str(tmp_path / "run")) == str(newest)
    model.save_pretrained(tmp_path / "run" / "model")
    assert find_model(str(tmp_path / "run")) == str(tmp_path / "run" / "model")
    assert find_model(str(newest)) == str(newest)
    assert find_model("OpenGVLab/ViCLIP") == "OpenGVLab/ViCLIP"
    found = load_embedder(str(tmp_path / "run"), device="cpu").identity()
    assert found.weights == ViCLIPEmbedder(model).identity().weights
    assert found.resolution == model.config.resolution


def test_image_models_are_averaged_over_frames(tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    place = make_clip(tmp_path / "clip")
    model = load_embedder(f"clip:{place}", device="cpu")
    rng = np.random.default_rng(0)
    videos = [rng.integers(0, 256, (3, 40, 48, 3), dtype=np.uint8) for _ in range(2)]
    found = model.video_vectors(videos)
    singles = model.video_vectors([frame[None] for frame in videos[1]])
    mean = singles.mean(0)
    assert np.allclose(found[1], mean / np.linalg.norm(mean), atol=1e-5)
    assert model.text_vectors(["a dog", "a cat"]).shape == (2, found.shape[1])
    assert count_texts(model, ["a dog", "a dog " * 20]) == {"texts": 2, "cut": 1}
    about = model.identity()
    assert about.frame_aggregation == "mean of unit vectors"
    assert about.digest != load_embedder(f"clip:{make_clip(tmp_path / 'b', 1)}").identity().digest
    with pytest.raises(ConfigInvalidError, match="its own preprocessing"):
        load_embedder(f"clip:{place}", preprocessing="reference")


def test_a_blend_is_read_from_its_folder(tmp_path: Path) -> None:
    assert read_wise_ft(tmp_path) is None
    (tmp_path / "wise_ft.json").write_text(json.dumps({"coefficient": 0.5}))
    assert read_wise_ft(tmp_path) == 0.5
    (tmp_path / "wise_ft.json").write_text("{}")
    with pytest.raises(ConfigInvalidError):
        read_wise_ft(tmp_path)


def test_views_cover_a_clip_without_sharing_frames() -> None:
    frames = np.arange(12, dtype=np.uint8)[:, None, None, None] * np.ones((1, 4, 8, 3), np.uint8)
    views = ViewPlan(frames=4, segments=3).divide(frames)
    assert [list(view[:, 0, 0, 0]) for view in views] == [
        [0, 3, 6, 9],
        [1, 4, 7, 10],
        [2, 5, 8, 11],
    ]
    assert ViewPlan(segments=4, crops=3).words == "4 x 3"
    assert ViewPlan(segments=4, crops=3).views == 12


def test_crops_are_squares_from_end_to_end() -> None:
    wide = np.zeros((2, 4, 9, 3), np.uint8)
    wide[:] = np.arange(9, dtype=np.uint8)[None, None, :, None]
    assert [crop[0, 0, :, 0].tolist() for crop in cut_squares(wide)] == [
        [0, 1, 2, 3], [2, 3, 4, 5], [5, 6, 7, 8],
    ]  # fmt: skip
    tall = wide.transpose(0, 2, 1, 3)
    assert [crop.shape for crop in cut_squares(tall)] == [(2, 4, 4, 3)] * 3
    assert len(ViewPlan(segments=2, crops=3).divide(wide)) == 6


@pytest.mark.parametrize(
    "fields",
    [{"frames": 0}, {"sampling": "all"}, {"segments": 0}, {"crops": 2},
     {"segments": 2, "sampling": "stride"}],
)  # fmt: skip
def test_views_that_mean_nothing_are_refused(fields: dict[str, object]) -> None:
    with pytest.raises(ConfigInvalidError):
        ViewPlan(**fields)  # type: ignore[arg-type]


def test_texts_that_are_cut_are_counted_and_a_longer_context_reads_them(folder: Path) -> None:
    usual = load_embedder(str(folder), device="cpu")
    longer = load_embedder(str(folder), device="cpu", context=80)
    # With few merges nearly every letter is a token: 3 + 2 marks, 30 + 2, 31 + 2.
    texts = ["the ab ab", "q " * 30, "q " * 31]
    assert count_texts(usual, texts) == {"texts": 3, "cut": 1}
    assert count_texts(longer, texts) == {"texts": 3, "cut": 0}
    assert count_texts(FrameMeanEmbedder(longer), texts) == {"texts": 3, "cut": 0}
    assert count_texts(ColourEmbedder(), texts) == {"texts": 3}
    ends = ["q " * 40 + "a", "q " * 40 + "b"]
    cut, read = usual.text_vectors(ends), longer.text_vectors(ends)
    assert np.allclose(cut[0], cut[1])
    assert not np.allclose(read[0], read[1], atol=1e-4)
    # What was read before is read as before.
    assert np.allclose(usual.text_vectors(texts[:1]), longer.text_vectors(texts[:1]), atol=1e-6)
    about = longer.identity()
    assert about.text_tokens == 80
    assert about.position_details == {"text_positions": "32 stretched to 80, 20 kept"}
    assert usual.identity().position_details == {}
    assert load_embedder(str(folder), device="cpu", context=32).identity().position_details == {}
    with pytest.raises(ConfigInvalidError, match="its own text length only, not 80 tokens"):
        load_embedder("fake", context=80)
