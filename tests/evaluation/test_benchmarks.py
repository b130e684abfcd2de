"""Benchmarks measure what is true of films of one colour, and say how they did."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from internvid.core.errors import (
    AnnotationInvalidError,
    ConfigInvalidError,
    ProtocolMismatchError,
    SourceMissingError,
)
from internvid.evaluation.benchmarks.probes import LinearProbing, NearestNeighbours
from internvid.evaluation.benchmarks.recognition import (
    HMDB51,
    UCF101,
    FineTunedRecognition,
    Kinetics400,
    PromptRule,
    class_vectors,
    softmax,
)
from internvid.evaluation.benchmarks.retrieval import (
    MSRVTT,
    MSVD,
    DiDeMo,
    ZeroShotRetrieval,
    list_queries,
)
from internvid.evaluation.embedding.embed_clips import Run
from internvid.evaluation.embedding.embedders import FakeEmbedder, Frames, Identity, Vectors
from internvid.evaluation.embedding.frame_views import ViewPlan
from internvid.evaluation.embedding.vector_store import EmbeddingStore
from internvid.evaluation.results.protocol import compare
from internvid.models.templates import ACTION_TEMPLATES
from tests.evaluation.colours import COLOURS, ColourEmbedder, change, film

SHADES = (1.0, 0.8, 0.6)


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three films of each colour: red0.mp4, ..."""
    folder = tmp_path_factory.mktemp("films")
    for colour in COLOURS:
        for at, shade in enumerate(SHADES):
            film(folder / f"{colour}{at}.mp4", colour, shade=shade)
    return folder


@pytest.fixture(scope="module")
def listed(films: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("listed")
    rows = [(f"{c}{n}", c) for c in COLOURS for n in range(len(SHADES))]
    (folder / "val.csv").write_text("".join(f"{name}.mp4,{c}\n" for name, c in rows))
    (folder / "train.csv").write_text("".join(f"{n}.mp4,{c}\n" for n, c in rows if n[-1] != "0"))
    (folder / "test.csv").write_text("".join(f"{n}.mp4,{c}\n" for n, c in rows if n[-1] == "0"))
    captions = [{"video": f"{n}.mp4", "caption": [f"a {c} film", f"{c}"]} for n, c in rows]
    (folder / "captions.json").write_text(json.dumps(captions))
    return folder


def test_recognition_by_prompts(films: Path, listed: Path) -> None:
    benchmark = Kinetics400((str(listed / "val.csv"),), str(films))
    result = benchmark.evaluate(ColourEmbedder(), Run())
    assert result.metrics["top1"] == 100.0
    assert result.metrics["mean_top1_top5"] == 100.0
    assert result.classes == dict.fromkeys(sorted(COLOURS), 100.0)
    protocol = result.protocol
    assert (protocol.benchmark, protocol.listed, protocol.found) == ("k400", 12, 12)
    assert (protocol.templates, protocol.aggregation) == ("reference", "mean_similarity")
    assert (protocol.frames, protocol.frame_rule) == (4, "middle of equal intervals")
    assert result.missing == ()


def test_wrong_labels_are_wrong(films: Path, tmp_path: Path) -> None:
    (tmp_path / "val.csv").write_text("red0.mp4,blue\nblue0.mp4,red\ngreen0.mp4,green\n")
    result = Kinetics400((str(tmp_path / "val.csv"),), str(films)).evaluate(ColourEmbedder(), Run())
    assert result.metrics["top1"] == pytest.approx(100 / 3)
    assert result.classes["green"] == 100.0
    assert result.classes["red"] == 0.0


def test_both_protocols_do_what_they_say_and_are_never_mixed(films: Path, listed: Path) -> None:
    fields = ((str(listed / "val.csv"),), str(films))
    model = ColourEmbedder()
    reference = Kinetics400(*fields).evaluate(model, Run())
    assert len(model.read) == 16 * 4
    assert "look the human is red" in model.read
    clip = Kinetics400(*fields, protocol="clip").evaluate(model, Run())
    assert "a photo of a person using red." in model.read
    assert (clip.protocol.templates, clip.protocol.label_cleaning) == ("clip-kinetics", "words")
    with pytest.raises(ProtocolMismatchError, match="templates"):
        compare(reference, clip)
    with pytest.raises(ConfigInvalidError):
        Kinetics400(*fields, protocol="mine").evaluate(model, Run())  # type: ignore[arg-type]


def test_scores_of_the_reference_are_means_of_similarities() -> None:
    fake = FakeEmbedder()
    names = ["abseiling", "air drumming"]
    rule = PromptRule("reference", "mean_similarity", "none", "none")
    clip = fake.video_vectors([np.random.default_rng(0).integers(0, 256, (4, 8, 8, 3), np.uint8)])
    scores = clip @ class_vectors(names, rule, fake, Run()).T
    for at, name in enumerate(names):
        sentences = [template.replace("{}", name) for template in ACTION_TEMPLATES]
        mean = float(np.mean(clip @ fake.text_vectors(sentences).T))
        assert scores[0, at] == pytest.approx(mean, abs=1e-6)
    means = class_vectors(
        names, dataclasses.replace(rule, aggregation="mean_embedding"), fake, Run()
    )
    assert np.allclose(np.linalg.norm(means, axis=1), 1, atol=1e-6)


def test_missing_clips_are_reported_with_the_number(films: Path, tmp_path: Path) -> None:
    (tmp_path / "val.csv").write_text("red0.mp4,red\ngone.mp4,blue\n")
    result = Kinetics400((str(tmp_path / "val.csv"),), str(films)).evaluate(ColourEmbedder(), Run())
    assert (result.protocol.listed, result.protocol.found) == (2, 1)
    assert [(m.clip, m.reason) for m in result.missing] == [("gone.mp4", "not_found")]
    whole = tmp_path / "whole.csv"
    whole.write_text("red0.mp4,red\nblue0.mp4,blue\n")
    other = Kinetics400((str(whole),), str(films)).evaluate(ColourEmbedder(), Run())
    with pytest.raises(ProtocolMismatchError, match="found: 1 against 2"):
        compare(result, other)


def test_ucf_and_hmdb_read_their_lists(films: Path, tmp_path: Path) -> None:
    (tmp_path / "testlist01.txt").write_text("Red/red0.avi\nBlue/blue0.avi\n")
    result = UCF101((str(tmp_path / "testlist01.txt"),), str(films), protocol="clip").evaluate(
        ColourEmbedder(), Run()
    )
    assert result.metrics["top1"] == 100.0
    assert result.protocol.templates == "clip-action"
    (tmp_path / "h").mkdir()
    for colour in ("red", "blue"):
        text = f"{colour}0.avi 2\n{colour}1.avi 1\n"
        (tmp_path / "h" / f"{colour}_test_split2.txt").write_text(text)
    hmdb = HMDB51((str(tmp_path / "h"),), str(films), split="2")
    assert hmdb.evaluate(ColourEmbedder(), Run()).protocol.listed == 2
    with pytest.raises(ConfigInvalidError):
        dataclasses.replace(hmdb, split="4").read()


class ColourClassifier:
    """Knows colours in an order of its own, and one that no set has."""

    def class_names(self) -> tuple[str, ...]:
        return ("blue", "black", "white", "green", "red")

    def class_scores(self, videos: Sequence[Frames]) -> Vectors:
        colours = {**COLOURS, "black": (0, 0, 0)}
        means = np.stack([video.mean((0, 1, 2)) for video in videos])
        centres = np.array([colours[name] for name in self.class_names()])
        return -np.linalg.norm(means[:, None] - centres, axis=2).astype(np.float32) / 50

    def identity(self) -> Identity:
        return Identity("classifier", "c", "mean", 4)


def test_a_classifier_is_averaged_over_views(films: Path, tmp_path: Path) -> None:
    change(films / "mixed.mp4", "red", "blue")
    (tmp_path / "val.csv").write_text(
        "red0.mp4,red\nblue0.mp4,blue\nwhite0.mp4,white\nmixed.mp4,red\n"
    )
    plan = ViewPlan(segments=2, crops=3)
    benchmark = FineTunedRecognition((str(tmp_path / "val.csv"),), str(films), plan)
    model = ColourClassifier()
    result = benchmark.evaluate(model, Run())
    assert result.metrics["top1"] >= 75.0
    assert result.protocol.views == "2 x 3, mean of probabilities"
    frames = plan.read(films / "mixed.mp4", None, 4)
    expected = softmax(model.class_scores(frames)).mean(0)
    assert len(frames) == 6
    assert expected.sum() == pytest.approx(1, abs=1e-5)
    with pytest.raises(ConfigInvalidError, match="no classes of its own"):
        benchmark.evaluate(ColourEmbedder(), Run())  # type: ignore[arg-type]
    (tmp_path / "classes.txt").write_text("red\nblue\nwhite\nyellow\n")
    with pytest.raises(ConfigInvalidError, match="yellow"):
        dataclasses.replace(benchmark, classes=str(tmp_path / "classes.txt")).evaluate(model, Run())


def test_a_classifier_is_measured_on_the_files_of_any_set(films: Path, tmp_path: Path) -> None:
    names = ("white", "green", "blue", "red")
    (tmp_path / "numbers.csv").write_text(
        "".join(f"{name}0.mp4 8 {at}\n" for at, name in enumerate(names))
    )
    rows = [{"id": f"{name}0", "template": f"[{name}]", "label": ""} for name in names]
    (tmp_path / "ssv2.json").write_text(json.dumps(rows))
    (tmp_path / "classes.txt").write_text("\n".join(names))
    benchmark, model = FineTunedRecognition(videos=str(films), of="ssv2"), ColourClassifier()
    numbers = dataclasses.replace(benchmark, annotations=(str(tmp_path / "numbers.csv"),))
    # The order of the classifier is not that of the file: numbers need the file's own list.
    with pytest.raises(AnnotationInvalidError, match="classes are numbers"):
        numbers.evaluate(model, Run())
    numbers = dataclasses.replace(numbers, classes=str(tmp_path / "classes.txt"))
    own = dataclasses.replace(benchmark, annotations=(str(tmp_path / "ssv2.json"),))
    for asked, count in ((numbers, 4), (own, 5)):
        result = asked.evaluate(model, Run())
        assert result.metrics["top1"] == 100.0
        assert result.protocol.details["of"] == "ssv2"
        assert result.protocol.details["classes"] == count
    with pytest.raises(ConfigInvalidError, match="of=msrvtt is no benchmark of recognition"):
        dataclasses.replace(own, of="msrvtt").evaluate(model, Run())


def test_retrieval_counts_equal_texts_against_the_model(films: Path, listed: Path) -> None:
    benchmark = ZeroShotRetrieval((str(listed / "captions.json"),), str(films))
    model = ColourEmbedder()
    apart = benchmark.evaluate(model, Run())
    # Every text is that of three films: at most one of them can come first.
    assert apart.metrics["text_to_video_r1"] < 34
    assert apart.metrics["text_to_video_r5"] == 100.0
    assert apart.protocol.details["queries"] == 24
    shared = dataclasses.replace(benchmark, shared_texts=True).evaluate(model, Run())
    assert shared.metrics["text_to_video_r1"] == 100.0
    assert shared.metrics["video_to_text_r1"] == 100.0
    with pytest.raises(ProtocolMismatchError, match=r"details\.shared_texts"):
        compare(apart, shared)


def test_the_rule_for_ties_is_part_of_the_protocol(films: Path, listed: Path) -> None:
    benchmark = ZeroShotRetrieval((str(listed / "captions.json"),), str(films))
    strict = benchmark.evaluate(ColourEmbedder(), Run())
    public = dataclasses.replace(benchmark, tie_rule="public").evaluate(ColourEmbedder(), Run())
    assert strict.metrics["video_to_text_r1"] == 0.0
    # Each caption is that of three clips, of which the last listed comes first.
    assert public.metrics["video_to_text_r1"] == pytest.approx(100 / 3)
    assert "tie_rule" not in strict.protocol.details
    assert public.protocol.details["tie_rule"] == "public"
    with pytest.raises(ProtocolMismatchError, match=r"details\.tie_rule"):
        compare(strict, public)


def test_dual_softmax_stands_under_its_own_name(films: Path, listed: Path) -> None:
    benchmark = ZeroShotRetrieval((str(listed / "captions.json"),), str(films), dual_softmax=True)
    result = benchmark.evaluate(ColourEmbedder(), Run())
    assert all(name.startswith("dual_softmax_") for name in result.metrics)
    assert result.protocol.dual_softmax


def test_paragraphs_are_another_protocol(films: Path, tmp_path: Path) -> None:
    rows = [{"video": f"{name}0.mp4", "description": text}
            for name in COLOURS for text in (f"a {name} film", "nothing else")]  # fmt: skip
    (tmp_path / "d.json").write_text(json.dumps(rows))
    sentences = DiDeMo((str(tmp_path / "d.json"),), str(films))
    model = ColourEmbedder()
    one = sentences.evaluate(model, Run())
    two = dataclasses.replace(sentences, text_mode="paragraph").evaluate(model, Run())
    assert one.protocol.details["queries"] == 8
    assert two.protocol.details["queries"] == 4
    assert two.metrics["text_to_video_r1"] == 100.0 > one.metrics["text_to_video_r1"]
    with pytest.raises(ProtocolMismatchError, match="text_mode"):
        compare(one, two)


def test_retrieval_drops_texts_of_missing_clips_only(films: Path, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(
        "key,vid_key,video_id,sentence\nr0,m,red0,a red film\nr1,m,gone,a green film\n"
        "r2,m,blue0,a blue film\n"
    )
    result = MSRVTT((str(tmp_path / "t.csv"),), str(films)).evaluate(ColourEmbedder(), Run())
    assert (result.protocol.listed, result.protocol.found) == (3, 2)
    assert result.protocol.details["queries"] == 2
    assert result.metrics["text_to_video_r1"] == 100.0


def test_queries_are_listed() -> None:
    texts, pairs = list_queries([("a", "b"), ("a",)], shared=False)
    assert (texts, pairs.tolist()) == (["a", "b", "a"], [[0, 0], [0, 1], [1, 2]])
    texts, pairs = list_queries([("a", "b"), ("a",)], shared=True)
    assert (texts, pairs.tolist()) == (["a", "b"], [[0, 0], [0, 1], [1, 0]])


def test_probe_and_neighbours(films: Path, listed: Path, tmp_path: Path) -> None:
    files = (str(listed / "train.csv"), str(listed / "test.csv"))
    store = EmbeddingStore(tmp_path / "store")
    model = ColourEmbedder()
    for benchmark in (LinearProbing(files, str(films)), NearestNeighbours(files, str(films))):
        result = benchmark.evaluate(model, Run(store=store))
        assert result.metrics["top1"] == 100.0
        assert result.protocol.found == 4
        assert result.protocol.details["train_found"] == 8
    assert len(model.seen) == 12
    with pytest.raises(ConfigInvalidError, match="got 1 files"):
        NearestNeighbours(files[:1], str(films)).evaluate(model, Run())


def test_what_is_not_named_is_asked_for(films: Path, listed: Path) -> None:
    with pytest.raises(ConfigInvalidError, match="k400 needs its list"):
        Kinetics400(videos=str(films)).evaluate(ColourEmbedder(), Run())
    with pytest.raises(ConfigInvalidError, match="the folder of its videos"):
        Kinetics400((str(listed / "val.csv"),)).evaluate(ColourEmbedder(), Run())
    with pytest.raises(SourceMissingError):
        MSVD(("none.txt", "none.pkl"), str(films)).evaluate(ColourEmbedder(), Run())
