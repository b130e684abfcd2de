"""Fine-tuning for retrieval: the paper's values, longer texts, and re-ranking in evaluation."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from internvid.core.errors import ConfigInvalidError
from internvid.evaluation.benchmarks.reranking import (
    RerankedRetrieval,
    RerankedSyntheticRetrieval,
    rank_twice,
    rerank,
)
from internvid.evaluation.embedding.embed_clips import Run
from internvid.evaluation.embedding.embedders import FakeEmbedder
from internvid.evaluation.embedding.headed import MatchingEmbedder
from internvid.evaluation.embedding.loading import load_embedder
from internvid.models.viclip.heads.matching_head import MatchingHead
from internvid.models.viclip.heads.saved_heads import save_head
from internvid.models.viclip.model import ViCLIP
from internvid.models.viclip.tokenizer import Tokenizer
from internvid.training.data.vocabulary import learn_merges
from internvid.training.heads.open_heads import (
    FineTuneRecipe,
    MatchingRecipe,
    extend_context,
    head_of,
)
from internvid.training.recipes import pretraining as recipes
from internvid.training.recipes.retrieval_finetuning import SETTINGS, viclip_retrieval
from tests.evaluation.colours import COLOURS, film
from tests.training.tiny import CONFIG


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with a matching head; neither has learned anything."""
    folder = tmp_path_factory.mktemp("tuned") / "model"
    merges = learn_merges([f"a {colour} film" for colour in COLOURS], 5)
    tokenizer = Tokenizer(merges, CONFIG.context)
    torch.manual_seed(0)
    model = ViCLIP(replace(CONFIG, vocabulary=tokenizer.vocabulary))
    model.loaded_tokenizer, model.merges_fingerprint = tokenizer, merges.fingerprint
    model.save_pretrained(folder)
    head = MatchingHead(model.config)
    save_head(head, head.state_dict(), folder)
    return folder


class Oracle:
    """Knows which text belongs to which clip by the numbers in their tokens."""

    scale = 2.0

    def __init__(self) -> None:
        self.judged: list[tuple[int, int]] = []

    def sentence_tokens(self, texts: list[str]) -> tuple[np.ndarray, np.ndarray]:
        tokens = np.array([[[float(text)]] for text in texts], np.float16)
        return tokens, np.ones((len(texts), 1), bool)

    def margins(self, texts: np.ndarray, shown: np.ndarray, clips: np.ndarray) -> np.ndarray:
        assert len(texts) == len(shown) == len(clips)
        pairs = zip(texts[:, 0, 0].astype(int), clips[:, 0, 0].astype(int), strict=True)
        self.judged += [(int(text), int(clip)) for text, clip in pairs]
        found: np.ndarray = -np.abs(texts[:, 0, 0] - clips[:, 0, 0]).astype(np.float32)
        return found


def test_the_best_of_each_query_are_put_in_the_judge_s_order() -> None:
    rng = np.random.default_rng(0)
    plain = rng.uniform(-1, 1, (7, 5))
    oracle = Oracle()
    to_video, to_text = rerank(
        plain,
        [str(at) for at in range(5)],
        lambda at: at[:, None, None].astype(np.float16),
        oracle,  # type: ignore[arg-type]
        3,
        0.0,
    )
    for text in range(5):
        first = np.argsort(-plain[:, text])
        found = np.argsort(-to_video[:, text])
        assert set(found[:3]) == set(first[:3])
        distances = np.abs(found[:3] - text)
        assert (np.diff(distances) >= 0).all()
        assert found[3:].tolist() == first[3:].tolist()
    for clip in range(7):
        assert set(np.argsort(-to_text[clip])[:3]) == set(np.argsort(-plain[clip])[:3])
    # Each pair is judged once, whoever asked first.
    assert len(set(oracle.judged)) == len(oracle.judged) <= 36
    with pytest.raises(ConfigInvalidError, match="top must be"):
        rerank(plain, ["0"] * 5, lambda at: at, oracle, 0)  # type: ignore[arg-type, return-value]


def test_a_judge_who_knows_raises_the_first_stage() -> None:
    rng = np.random.default_rng(1)
    videos = rng.normal(size=(40, 8)).astype(np.float32)
    texts = (videos + rng.normal(size=(40, 8)) * 0.8).astype(np.float32)
    numbers = rank_twice(
        (videos, texts),
        [(at, at) for at in range(40)],
        [str(at) for at in range(40)],
        lambda at: at[:, None, None].astype(np.float16),
        Oracle(),  # type: ignore[arg-type]
        (10, 0.0),
    ).metrics()
    assert numbers["text_to_video_r1"] < 80
    # What is among the candidates comes first; nothing else can.
    for way in ("text_to_video", "video_to_text"):
        assert numbers[f"reranked_{way}_r1"] == numbers[f"{way}_r10"]


def test_a_judge_without_an_opinion_leaves_the_first_order() -> None:
    plain = np.random.default_rng(2).uniform(-1, 1, (6, 6))

    class Mute(Oracle):
        def margins(self, texts: np.ndarray, shown: np.ndarray, clips: np.ndarray) -> np.ndarray:
            return np.zeros(len(texts), np.float32)

    found = rerank(
        plain,
        [str(at) for at in range(6)],
        lambda at: at[:, None, None].astype(np.float16),
        Mute(),  # type: ignore[arg-type]
        4,
    )
    assert (np.argsort(-found[0], axis=0) == np.argsort(-plain, axis=0)).all()
    assert (np.argsort(-found[1], axis=1) == np.argsort(-plain, axis=1)).all()


def test_copies_tie_and_large_margins_blur_nothing() -> None:
    rng = np.random.default_rng(3)
    videos = rng.normal(size=(12, 8)).astype(np.float32)
    videos /= np.linalg.norm(videos, axis=1, keepdims=True)
    videos[1] = videos[0]
    # From the sixth on, cosines of the last text differ by less than margins of 500 would blur.
    texts = videos.copy()
    videos[6:] = texts[11] * (0.1 + 1e-5 * np.arange(6, dtype=np.float32))[:, None]

    class Rounding(Oracle):
        def margins(self, texts: np.ndarray, shown: np.ndarray, clips: np.ndarray) -> np.ndarray:
            hard_negative_groups = np.where(clips[:, 0, 0] < 2, 500.0, -500.0)
            # What rounding leaves, in favour of the right one: it must not count.
            own = texts[:, 0, 0] == clips[:, 0, 0]
            return (hard_negative_groups + 1e-4 * own).astype(np.float32)

    found = rank_twice(
        (videos, texts),
        [(at, at) for at in range(12)],
        [str(at) for at in range(12)],
        lambda at: at[:, None, None].astype(np.float16),
        Rounding(),  # type: ignore[arg-type]
        (2, 0.0),
    )
    assert found.reranked[0][:2].tolist() == [2, 2], "a clip and its copy are told apart by nothing"
    assert found.plain[0][6:].tolist() == found.reranked[0][6:].tolist()


def test_rendered_clips_are_reranked_by_a_model(tuned: Path) -> None:
    subject = load_embedder(str(tuned), device="cpu")
    assert isinstance(subject, MatchingEmbedder)
    benchmark = RerankedSyntheticRetrieval(clips=12, seeds=(1,), top=4, size=16)
    found = benchmark.evaluate(subject, Run())
    assert found.protocol.details["reranked_top"] == 4
    assert found.protocol.benchmark == "retrieval-synthetic-reranked"
    assert {"text_to_video_r1", "reranked_text_to_video_r1"} <= set(found.metrics)
    # Four candidates: whoever was among them still is, in another order.
    assert found.metrics["reranked_text_to_video_r10"] == found.metrics["text_to_video_r10"]
    with pytest.raises(ConfigInvalidError, match="no matching head"):
        benchmark.evaluate(FakeEmbedder(), Run())


def test_files_are_reranked_under_the_set_s_own_rules(tuned: Path, tmp_path: Path) -> None:
    rows = []
    for at, colour in enumerate(COLOURS):
        film(tmp_path / "videos" / f"{colour}.mp4", colour, shade=1 - at / 10)
        rows.append({"video": f"{colour}.mp4", "caption": f"a {colour} film"})
    (tmp_path / "captions.json").write_text(json.dumps(rows))
    subject = load_embedder(str(tuned), device="cpu")
    asked = RerankedRetrieval((str(tmp_path / "captions.json"),), str(tmp_path / "videos"), top=2)
    found = asked.evaluate(subject, Run())
    assert (found.protocol.found, found.protocol.details["reranked_top"]) == (4, 2)
    assert found.metrics["reranked_text_to_video_r5"] == 100.0
    # The tokens that were kept are those of the clips: the order is the head's own.
    assert isinstance(subject, MatchingEmbedder)
    with pytest.raises(ConfigInvalidError, match="of=k400 is no benchmark"):
        replace(asked, of="k400").evaluate(subject, Run())
    with pytest.raises(ConfigInvalidError, match="no dual softmax"):
        replace(asked, dual_softmax=True).evaluate(subject, Run())


def test_recipes_have_the_paper_s_values() -> None:
    for name in SETTINGS:
        suffix = "" if name == "msrvtt" else f"_{name}"
        made = recipes.get(f"viclip_retrieval{suffix}")
        assert isinstance(made, FineTuneRecipe)
        assert isinstance(head_of(made), MatchingRecipe)
        (stage,) = made.stages
        assert (stage.batch, stage.warmup_epochs, stage.mask_ratio) == (256, 1, 0.0)
        optimiser = made.optimiser
        assert (optimiser.beta1, optimiser.beta2, optimiser.weight_decay) == (0.9, 0.999, 0.02)
        assert made.model.config.frames == 12
        assert not made.start.freeze_text
    assert [SETTINGS[name].context for name in SETTINGS] == [32, 96, 64, 64, 150]
    with pytest.raises(ConfigInvalidError, match="no settings for retrieval on 'ucf'"):
        viclip_retrieval("ucf")


def test_longer_texts_change_nothing_for_short_ones() -> None:
    model = ViCLIP(CONFIG).eval()
    ids = torch.tensor([[1, 2, 513, 0], [1, 513, 0, 0]])
    before = model.text_encoder(ids)
    extend_context(model, 8)
    assert model.config.context == CONFIG.context
    extend_context(model, 40)
    assert model.config.context == 40
    assert torch.equal(model.text_encoder(ids), before)
    assert model.text_encoder(torch.ones(1, 40, dtype=torch.int64)).shape == (1, 8)
    model.load_state_dict(model.state_dict())
