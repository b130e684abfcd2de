"""Which subset, which captions: equal budgets, equal protocols, kept runs, honest verdicts."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from internvid.cli.app import main
from internvid.core import registry
from internvid.core.errors import ConfigInvalidError, MisuseError, ProtocolMismatchError
from internvid.dataset.store import Dataset
from internvid.evaluation.benchmarks.rendered import SyntheticRetrieval
from internvid.evaluation.embedding.embedders import FakeEmbedder
from internvid.evaluation.results.protocol import Protocol, Result
from internvid.training.compare import compare as module
from internvid.training.compare import equal_budget as compare_budget
from internvid.training.compare.compare import Comparison, run_comparison
from internvid.training.compare.equal_budget import measure_steps, with_budget
from internvid.training.compare.held_out import ChosenSource, choose_held_out, part
from internvid.training.compare.outcome import Outcome
from internvid.training.data.clip_sources import ArraySource
from internvid.training.recipes.recipe import TrainRecipe
from internvid.training.run.log import LogLine
from tests.training.tiny import recipe, source

QUICK = ["--steps", "3", "--set", "model.config.resolution=24", "--set", "stages.masked.batch=8",
         "--set", "model.config.vision_layers=1", "--set", "start.learned_merges=20"]  # fmt: skip

BOTH = "compared-all,compared-short"


@pytest.fixture(scope="module")
def several(dataset: Dataset) -> Dataset:
    """The dataset with two subsets: four source videos, since a copy is a video of its own."""
    for name, condition in (("compared-all", "true"), ("compared-short", "duration_seconds < 3.5")):
        assert main(["select", str(dataset.root), "where", condition, "--as", name]) == 0
    return dataset


def compare(*arguments: object) -> int:
    return main(["compare", *map(str, arguments)])


def result(values: dict[str, float], **protocol: Any) -> Result:
    made = Protocol("held-out", 1, "a", 4, 4, "c", 8, "middle", **protocol)
    return Result(values, made, {"name": "x"})


# The parts


def test_whole_sources_are_held_out_whatever_their_order() -> None:
    names = [f"video-{at}" for at in range(20)]
    held = choose_held_out(names * 3, 0.25)
    assert len(held) == 5
    assert held == choose_held_out(reversed(names), 0.25)
    assert len(choose_held_out(names, 0.001)) == 1
    assert len(choose_held_out(names[:2], 0.999)) == 1
    with pytest.raises(MisuseError, match="1 source video"):
        choose_held_out(["a", "a"], 0.5)


def test_held_out_clips_are_those_with_texts_in_every_column() -> None:
    plain = source()
    other = replace(plain, captions=[None, *plain.captions[1:]])
    held, found = part({"a": plain, "b": other}, 0.5, 10)
    table = found.source.table()
    assert len(table.clip_ids) == 10
    assert set(table.sources) <= held
    assert "clip-0" not in table.clip_ids
    assert found.texts["a"] == found.texts["b"] == tuple(table.captions)
    assert (found.source.read(0, lambda _: [0]) == plain.clips[found.source.clips[0]][:1]).all()
    measured = found.measure(FakeEmbedder())
    assert measured.protocol.details["columns"] == ["a", "b"]
    assert found.metric_names == list(measured.metrics)
    alone = part({"a": plain}, 0.5, 10)[1]
    assert alone.metric_names == list(alone.measure(FakeEmbedder()).metrics)
    assert measured.metrics["mean_recall"] == pytest.approx(
        np.mean([measured.metrics["a/mean_recall"], measured.metrics["b/mean_recall"]])
    )
    with pytest.raises(MisuseError, match="0 of their clips have texts"):
        part({"a": replace(plain, captions=["word"] * 48)}, 0.2, 10)


def test_chosen_clips_are_those_of_the_source() -> None:
    plain = source(6)
    chosen = ChosenSource(plain, (4, 1))
    assert chosen.table().clip_ids == ["clip-4", "clip-1"]
    assert isinstance(plain, ArraySource)
    assert (chosen.read(1, lambda n: [n - 1]) == plain.clips[1][-1:]).all()


def test_a_budget_keeps_the_proportions_of_stages() -> None:
    made = with_budget(recipe(), 100)
    assert [stage.steps for stage in made.stages] == [60, 40]
    assert [stage.warmup_steps for stage in made.stages] == [3, 2]
    with pytest.raises(ConfigInvalidError, match="too few"):
        with_budget(recipe(), 1)


def test_seconds_become_steps_by_the_usual_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, clock = recipe(), [0.0]

    def trial(told: TrainRecipe, *_: object, progress: Callable[[LogLine], None]) -> None:
        for stage in told.stages:
            for step in range(stage.steps):
                # A slow start, and one step that another program delayed.
                usual = 2.0 if stage.name == "masked" else 4.0
                clock[0] += {0: 60.0, 3: 30.0}.get(step, usual)
                progress(LogLine(step, 0, stage.name, *[0.0] * 7, skipped=0, eta_seconds=0.0))

    monkeypatch.setattr(compare_budget, "train", trial)
    monkeypatch.setattr(compare_budget.time, "perf_counter", lambda: clock[0])
    # 60 % of the steps take 2 s, 40 % take 4 s: 2.8 s a step.
    assert measure_steps(made, source(), tmp_path / "trial", 280.0) == 100
    assert measure_steps(made, source(), tmp_path / "trial", 1.0) == len(made.stages)


def test_a_trial_is_a_real_run(tmp_path: Path) -> None:
    assert measure_steps(recipe(), source(), tmp_path / "trial", 1e4) > len(recipe().stages)
    assert not (tmp_path / "trial").exists()


def test_a_winner_is_one_only_beyond_the_spread() -> None:
    def outcome(first: list[float], second: list[float], metric: str = "m") -> Outcome:
        return Outcome(
            metric,
            {
                name: {seed: result({metric: value}) for seed, value in enumerate(values)}
                for name, values in (("a", first), ("b", second))
            },
        )

    near = outcome([50, 54], [51, 55])
    assert near.ranking == ["b", "a"]
    assert near.is_clear is False
    assert "no winner" in near.verdict
    assert near.describe()["winner"] is None
    far = outcome([60, 61], [50, 51])
    assert (far.is_clear, far.describe()["winner"]) == (True, "a")
    assert far.difference == pytest.approx(10)
    assert far.spread("a") == pytest.approx(0.5**0.5)
    level = outcome([60, 61], [60, 61])
    assert "a and b are level at 60.50 m" in level.verdict
    assert level.describe()["winner"] is None
    single = outcome([60], [50])
    assert single.is_clear is None
    assert "add --seeds" in single.verdict
    assert outcome([3], [9], "mean_rank").ranking == ["a", "b"]
    # What a handful of clips says is a hint, however far beyond the spread.
    assert "held-out clips are few" in far.verdict
    one = result({"m": 1.0})
    many = replace(one, protocol=replace(one.protocol, found=100))
    assert "few" not in Outcome("m", {"a": {0: many}, "b": {0: many}}).verdict
    with pytest.raises(ConfigInvalidError, match="no metric 'x'"):
        replace(far, metric="x")


def test_unequal_protocols_are_refused() -> None:
    first, second = result({"m": 1.0}), result({"m": 2.0}, text_tokens=7)
    with pytest.raises(ProtocolMismatchError, match="text_tokens"):
        Outcome("m", {"a": {0: first}, "b": {0: second}})


def test_impossible_comparisons_are_refused() -> None:
    with pytest.raises(MisuseError, match="nothing to be compared with"):
        Comparison("data", "subsets", ("a",))
    with pytest.raises(MisuseError, match="one of both"):
        Comparison("data", "subsets", ("a", "b"), steps=3, seconds=4)
    with pytest.raises(MisuseError, match="each once"):
        Comparison("data", "subsets", ("a", "b"), seeds=(1, 1))


def test_true_captions_beat_permuted_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = source(60)
    # Of three colours, the caption says the next one; where the columns are asked for, both are.
    colours = ("red", "green", "blue")
    wrong = [
        f"a {colours[(colours.index(str(text).split()[1]) + at // 3) % 3]} picture"
        for at, text in enumerate(plain.captions)
    ]
    true = [" ".join(str(text).split()[:3]) for text in plain.captions]
    texts = {"true": true, "wrong": wrong}

    def open_source(*_: object, text: str, **__: object) -> ArraySource:
        return replace(plain, captions=texts[text])

    monkeypatch.setattr(module, "open_source", open_source)
    monkeypatch.setattr(
        registry, "create", lambda *_: SyntheticRetrieval(clips=4, seeds=(1,), size=16)
    )
    asked = Comparison(
        "data", "captions", ("wrong", "true"), steps=60, metric="true/mean_recall",
        benchmarks=("retrieval-synthetic",),
    )  # fmt: skip
    made = recipe("start.temperature=0.07", "loop.checkpoint_steps=0", "loop.log_steps=20")
    told: list[str] = []
    for wrong_metric in ("true/luck", "luck", "other-benchmark/text_to_video_r1"):
        with pytest.raises(ConfigInvalidError, match="true/mean_recall"):
            run_comparison(replace(asked, metric=wrong_metric), made, tmp_path / "no", told.append)
    assert not told, "nothing was trained for a metric that there is not"
    outcome, record = run_comparison(asked, made, tmp_path / "out", told.append)
    assert record["winner"] == "true", record["verdict"]
    assert outcome.mean("true") > outcome.mean("wrong") + 10
    assert record["clips"]["true"] == record["clips"]["wrong"] == 48
    assert told == [f"{name}, seed {seed}: training" for seed in (0, 1) for name in asked.names]
    details = record["protocol"]["details"]
    assert details["columns"] == ["true", "wrong"]
    assert len(details["retrieval-synthetic"]) == 12
    assert "retrieval-synthetic/text_to_video_r1" in record["variants"]["true"]
    told.clear()
    again, _ = run_comparison(
        replace(asked, metric="mean_recall"), made, tmp_path / "out", told.append
    )
    assert again.metric == "mean_recall"
    assert all("there already" in line for line in told)


# The verb


def test_subsets_are_compared_and_runs_are_kept(
    several: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = [several.root, "--subsets", BOTH, "-o", tmp_path / "out", *QUICK,
             "--held-out", "0.4", "--json"]  # fmt: skip
    assert compare(*asked, "--seeds", "0") == 0
    found = capsys.readouterr()
    record = json.loads(found.out)
    assert record == json.loads((tmp_path / "out" / "result.json").read_text())
    assert record["is_clear"] is None
    assert record["held_out"]["videos"] == 2
    assert record["held_out"]["of_videos"] == 4
    assert record["clips"]["compared-short"] < record["clips"]["compared-all"]
    assert record["budget"]["steps"] == 3
    assert record["budget"]["samples_seen"] == 3 * record["budget"]["batch"]
    assert record["protocol"]["benchmark"] == "held-out"
    assert "compared-all, seed 0: training" in found.err
    kept = (tmp_path / "out" / "runs" / "compared-all-seed0.json").read_bytes()
    assert compare(*asked, "--seeds", "0,1") == 0
    found = capsys.readouterr()
    assert "compared-all, seed 0: there already" in found.err
    assert "compared-all, seed 1: training" in found.err
    record = json.loads(found.out)
    assert record["is_clear"] in (True, False)
    assert set(record["variants"]["compared-all"]["mean_recall"]["seeds"]) == {"0", "1"}
    assert (tmp_path / "out" / "runs" / "compared-all-seed0.json").read_bytes() == kept
    assert (tmp_path / "out" / "table.md").read_text().startswith("| variant | mean_recall |")
    # Both start from the same weights and the same tokenizer.
    runs = [json.loads((tmp_path / "out" / "runs" / f"{name}-seed0" / "run.json").read_text())
            for name in ("compared-all", "compared-short")]  # fmt: skip
    assert runs[0]["fingerprint"] == runs[1]["fingerprint"]
    assert runs[0]["samples_digest"] != runs[1]["samples_digest"]
    assert compare(*asked[:-3], "--held-out", "0.2", "--json") == 2
    assert "holds another comparison" in capsys.readouterr().err


def test_what_cannot_be_compared_is_said(
    several: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for more, said in (
        ((), "one of both"),
        (("--subsets", BOTH, "--captions", "a,b"), "one of both"),
        (("--subsets", "compared-all"), "nothing to be compared with"),
        (("--subsets", "compared-all,none-such"), "none-such"),
        (("--captions", "measured,blip"), "blip"),
        (("--subsets", BOTH, "--seeds", "x"), "whole numbers"),
        (("--subsets", BOTH, "--recipe", "big"), "no training recipe"),
    ):
        assert compare(several.root, *more, "-o", tmp_path / "out", *QUICK) == 2
        assert said in capsys.readouterr().err
