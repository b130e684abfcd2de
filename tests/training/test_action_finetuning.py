"""Fine-tuning for actions: merged classes, a classifier's step, and its accuracy on files."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from internvid.cli.app import main
from internvid.core.assignments import with_values
from internvid.core.errors import ConfigInvalidError, MisuseError
from internvid.evaluation.annotations.finding import VideoFolder
from internvid.evaluation.annotations.labelled import read_classes, read_kinetics
from internvid.evaluation.annotations.records import LabelledClip, LabelledSet
from internvid.evaluation.benchmarks.recognition import FineTunedRecognition
from internvid.evaluation.embedding.embed_clips import Run
from internvid.evaluation.embedding.embedders import Classifier, Embedder
from internvid.evaluation.embedding.frame_views import ViewPlan
from internvid.evaluation.embedding.headed import ViCLIPClassifier
from internvid.evaluation.embedding.loading import load_subject
from internvid.models.viclip.heads.classifier_head import ActionHead
from internvid.training.data.clip_sources import ArraySource
from internvid.training.data.opening import open_labelled
from internvid.training.data.samples import make_samples
from internvid.training.heads.label_sets import (
    clean_label,
    inherit_rows,
    merge_labels,
    merge_training_lists,
    video_of,
)
from internvid.training.heads.open_heads import (
    ActionRecipe,
    FineTuneRecipe,
    head_of,
    learning_rate_scales,
)
from internvid.training.loop import train
from internvid.training.prepare import make_model, make_towers
from internvid.training.recipes import pretraining as recipes
from internvid.training.recipes.action_finetuning import labelled_source, smoothed
from internvid.training.recipes.recipe import DataRecipe, Stage
from internvid.training.views.views import ViewRecipe
from tests.evaluation.colours import COLOURS, film
from tests.training.tiny import CONFIG, losses, recipe, source
from tests.training.together import run_together


def tune(*assignments: str, steps: int = 40) -> FineTuneRecipe:
    """The tiny recipe as a classifier's."""
    plain = recipe("loop.log_steps=10", "loop.checkpoint_steps=0")
    values = {name: getattr(plain, name) for name in plain.__dataclass_fields__}
    values["stages"] = (Stage("tune", 0.0, peak_lr=1e-2, steps=steps, warmup_steps=4, batch=8),)
    values["start"] = dataclasses.replace(plain.start, freeze_text=True)
    values["data"] = DataRecipe(clean_captions=False, view=ViewRecipe(flip="never"))
    made = FineTuneRecipe(**values, head=ActionRecipe(layer_decay=0.9))
    return with_values(made, assignments)


SMALL = (
    "start.weights= start.merges=learn model.config.vision_heads=2 model.config.text_heads=2 "
    "model.config.vision_width=32 model.config.text_width=32 model.config.vision_layers=2 "
    "model.config.text_layers=1 model.config.patch=16 model.config.resolution=32 "
    "model.config.frames=2 model.config.embedding=16 stages.tune.batch=8 stages.tune.epochs=1 "
    "stages.tune.warmup_epochs=0.5 data.loader.workers=0 loop.writers=csv"
)


def labelled(count: int = 48) -> ArraySource:
    """Flat colours whose captions are one-word classes."""
    plain = source(count)
    names = [str(caption).split()[1] for caption in plain.captions]
    return dataclasses.replace(plain, captions=names)


# Lists of classes


def test_classes_are_merged_by_their_cleaned_names() -> None:
    merged = merge_labels(
        {
            "a": ["Passing American football (in game)", "making bed", "archery"],
            "b": ["making the bed", "passing_american_football in-game", "yoga"],
        }
    )
    assert merged.names == (
        "Passing American football (in game)", "making bed", "archery", "yoga",
    )  # fmt: skip
    assert merged.places == {"a": (0, 1, 2), "b": (1, 0, 3)}
    assert clean_label("massaging person's head") == "massaging persons head"
    with pytest.raises(ConfigInvalidError, match="not apart: yoga"):
        merge_labels({"a": ["yoga", "Yoga"]})
    with pytest.raises(ConfigInvalidError, match="no lists"):
        merge_labels({})


def test_kinetics_merges_as_it_should(media: Path) -> None:
    folder = media / "text"
    lists = {n: read_classes(folder / f"kinetics{n}_classes.txt") for n in ("400", "700")}
    merged = merge_labels(lists)
    # Of K400's classes, K700 kept 392; with K600's they would be the 710 of the paper's proxy.
    assert len(merged.names) == 708
    assert [len(places) for places in merged.places.values()] == [400, 700]
    config = CONFIG
    head, target = ActionHead(config, merged.names), ActionHead(config, lists["700"])
    assert inherit_rows(head, target) == 700
    rows = list(merged.places["700"])
    assert torch.equal(target.out.weight, head.out.weight[rows])
    assert torch.equal(target.out.bias, head.out.bias[rows])


def test_a_head_takes_the_rows_it_can() -> None:
    known, head = (
        ActionHead(CONFIG, ["making the bed", "yoga"]),
        ActionHead(CONFIG, ["singing", "making bed"]),
    )
    before = head.out.weight[0].clone()
    assert inherit_rows(known, head) == 1
    assert torch.equal(head.out.weight[1], known.out.weight[0])
    assert torch.equal(head.out.weight[0], before)
    with pytest.raises(ConfigInvalidError, match="two different classes"):
        ActionHead(CONFIG, ["yoga", "yoga"])


def test_a_video_is_trained_on_once_and_never_tested_on() -> None:
    def clip(name: str, label: str) -> LabelledClip:
        return LabelledClip(name, label, (name,))

    first = LabelledSet((clip("aaa_000001_000011", "making bed"), clip("bbb", "yoga")),
                        ("making bed", "yoga"))  # fmt: skip
    second = LabelledSet(
        (clip("aaa_000005_000015", "making the bed"), clip("x/ccc.mp4", "making the bed"),
         clip("ddd_000000_000010", "singing")),
        ("making the bed", "singing"),
    )  # fmt: skip
    test = LabelledSet((clip("ddd_000003_000013", "singing"),), ("singing",))
    merged = merge_training_lists({"a": first, "b": second}, [test])
    assert [(each.clip, each.label) for each in merged.clips] == [
        ("aaa_000001_000011", "making bed"), ("bbb", "yoga"), ("x/ccc.mp4", "making bed"),
    ]  # fmt: skip
    assert merged.classes == ("making bed", "yoga", "singing")
    assert video_of("train/aaa_000001_000011.mp4") == "aaa"


# The step


def test_smoothed_targets_are_chances() -> None:
    targets = smoothed(torch.tensor([2, 0]), 4, 0.2)
    assert torch.allclose(targets.sum(1), torch.ones(2))
    assert targets[0].tolist() == pytest.approx([0.05, 0.05, 0.85, 0.05])


def test_the_loss_does_not_depend_on_parts_without_mixing(tmp_path: Path) -> None:
    for name, more in (("one", "0"), ("three", "3")):
        made = tune("model.config.drop_path=0", f"stages.tune.micro_batch={more}", steps=6)
        train(made, labelled(), tmp_path / name)
    assert losses(tmp_path / "one") == pytest.approx(losses(tmp_path / "three"), rel=1e-4)


def _alone(folder: Path) -> None:
    train(tune("model.config.drop_path=0", "stages.tune.peak_lr=1e-4", steps=5), labelled(), folder)


def test_two_processes_take_the_steps_of_one(tmp_path: Path) -> None:
    _alone(tmp_path / "one")
    run_together(_alone, tmp_path / "two")
    np.testing.assert_allclose(losses(tmp_path / "two"), losses(tmp_path / "one"), rtol=1e-4)
    mine, theirs = (
        load_file(tmp_path / name / "model" / "head.safetensors") for name in ("one", "two")
    )
    for name, value in mine.items():
        torch.testing.assert_close(theirs[name], value, rtol=1e-3, atol=2e-5)


def test_learning_rates_fall_with_depth(tmp_path: Path) -> None:
    made = tune()
    samples = make_samples(labelled().table(), clean=False, least_words=1)
    model = make_model(made, samples)
    towers = make_towers(made, model, samples, tmp_path)
    names = [name for name, _ in towers.named_parameters()]
    found = dict(zip(names, learning_rate_scales(made, model, names), strict=True))
    assert found["head.out.weight"] == 1.0
    assert found["vision_encoder.proj"] == found["vision_encoder.ln_post.bias"] == 1.0
    assert found["vision_encoder.transformer.resblocks.1.mlp.c_fc.weight"] == 1.0
    assert found["vision_encoder.transformer.resblocks.0.ln_1.weight"] == pytest.approx(0.9)
    assert found["vision_encoder.conv1.weight"] == pytest.approx(0.81)


def test_impossible_heads_are_refused() -> None:
    with pytest.raises(ConfigInvalidError, match="layer_decay"):
        ActionRecipe(layer_decay=0)
    with pytest.raises(ConfigInvalidError, match="mixes whole clips"):
        tune("head.mixup=0.8", "stages.tune.mask_ratio=0.5")


# From a list of files to a number


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight films of each colour, and lists of those to train on and to be measured on."""
    folder = tmp_path_factory.mktemp("films")
    rows = []
    for colour in COLOURS:
        for at in range(8):
            film(folder / "videos" / f"{colour}{at}.mp4", colour, shade=1 - 0.06 * at)
            rows.append((f"{colour}{at}.mp4", colour))
    for name, wanted in (("train", (0, 1, 3, 4, 6, 7)), ("test", (2, 5))):
        lines = [f"{file},{colour}" for file, colour in rows if int(file[-5]) in wanted]
        (folder / f"{name}.csv").write_text("\n".join(lines) + "\n")
    return folder


def test_a_classifier_goes_from_files_to_accuracy_over_views(films: Path, tmp_path: Path) -> None:
    listed = read_kinetics(films / "train.csv")
    clips = labelled_source(listed, [VideoFolder.scan(films / "videos")])
    summary = train(tune("head.mixup=0.4"), clips, tmp_path / "run")
    assert summary.samples == 24
    subject = load_subject(str(tmp_path / "run"), device="cpu")
    assert isinstance(subject, ViCLIPClassifier)
    assert isinstance(subject, Classifier)
    assert isinstance(subject, Embedder)
    assert set(subject.class_names()) == set(COLOURS)
    benchmark = FineTunedRecognition(
        (str(films / "test.csv"),), str(films / "videos"), ViewPlan(segments=2, crops=3)
    )
    result = benchmark.evaluate(subject, Run())
    assert result.metrics["top1"] >= 75.0
    assert result.protocol.views == "2 x 3, mean of probabilities"
    # Its head is part of what it is.
    other = dataclasses.replace(subject, head=ActionHead(subject.model.config, listed.classes))
    assert other.identity().weights != subject.identity().weights
    assert subject.identity().head == "action"
    with pytest.raises(MisuseError, match="none of the 24 listed clips"):
        labelled_source(listed, [VideoFolder.scan(_empty(tmp_path))])


def _empty(folder: Path) -> Path:
    film(folder / "other" / "else.mp4", "red")
    return folder / "other"


def test_labelled_lists_are_merged_by_the_command(
    films: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    second = tmp_path / "second.csv"
    # Another spelling of a class, a video that both lists have, one that is not there.
    second.write_text("red2.mp4,Red\nred0.mp4,Red\ngone.mp4,blue\n")
    lists = [films / "train.csv", second]
    source, missing = open_labelled(lists, [films / "videos"])
    captions = [clip.caption for clip in source.clips]
    assert (len(captions), missing) == (25, 1)
    assert set(captions) == set(COLOURS)
    assert captions.count("red") == 7
    # `red2` is a test video.
    kept, _ = open_labelled(lists, [_empty(tmp_path), films / "videos"], [films / "test.csv"])
    assert len(kept.clips) == 24
    command = ["train", "-o", str(tmp_path / "run"), "--recipe", "viclip_action_merged", "--json"]
    command += [word for each in lists for word in ("--data", str(each))]
    command += [word for each in SMALL.split() for word in ("--set", each)]
    assert main(command) == 2
    assert "--videos" in capsys.readouterr().err
    assert main([*command, "--videos", str(films / "videos")]) == 0
    told = capsys.readouterr()
    assert "1 of 26 listed clips are not there" in told.err
    summary = json.loads(told.out)
    assert summary["samples"] == 25
    subject = load_subject(summary["model"], device="cpu")
    assert isinstance(subject, Classifier)
    assert set(subject.class_names()) == set(COLOURS)


def test_a_merged_classifier_is_where_the_next_one_starts(tmp_path: Path) -> None:
    first = train(tune(steps=40), labelled(), tmp_path / "first")
    assert first.model is not None
    plain = labelled()
    kept = [at for at, name in enumerate(plain.captions) if name != "blue"]
    fewer = ArraySource([plain.clips[at] for at in kept],
                        [f"{plain.captions[at]}".upper() for at in kept])  # fmt: skip
    made = tune(f"start.weights={first.model}", "stages.tune.peak_lr=1e-9", steps=1)
    train(made, fewer, tmp_path / "second")
    known, head = (
        load_file(tmp_path / name / "model" / "head.safetensors") for name in ("first", "second")
    )
    classes = load_subject(str(tmp_path / "first")).class_names()  # type: ignore[union-attr]
    rows = [classes.index(name) for name in ("red", "green")]
    assert torch.allclose(head["out.weight"], known["out.weight"][rows], atol=1e-6)
    subject = load_subject(str(tmp_path / "second"))
    assert isinstance(subject, ViCLIPClassifier)
    clips = [clip[:2] for clip in fewer.clips]
    answers = subject.class_scores(clips).argmax(1)
    truth = [subject.class_names().index(str(name)) for name in fewer.captions]
    assert np.mean(answers == truth) > 0.9


def test_recipes_say_what_they_train() -> None:
    for name in ("viclip_action", "viclip_action_merged", "viclip_action_after", "viclip_probe"):
        made = recipes.get(name)
        head = head_of(made)
        assert isinstance(head, ActionRecipe)
        assert head.frozen == (name == "viclip_probe")
        assert not made.data.clean_captions
    assert recipes.get("viclip_action").stages[0].epochs == 14
    assert recipes.get("viclip_action_after").stages[0].peak_lr == 1e-5
    assert head_of(recipes.get("viclip_b16")) is None
