"""Multiple choice, many labels a clip, and moments of longer videos, on films of one colour."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from internvid.core.errors import ConfigInvalidError
from internvid.evaluation.benchmarks.choosing import MSRVTTChoice, MultipleChoice
from internvid.evaluation.benchmarks.multilabel import (
    FineTunedCharades,
    ZeroShotCharades,
    average_precisions,
)
from internvid.evaluation.benchmarks.retrieval import (
    ActivityNet,
    CharadesSTA,
    YouCook2,
    ZeroShotRetrieval,
)
from internvid.evaluation.embedding.embed_clips import Run
from internvid.evaluation.embedding.embedders import Frames, Identity, Vectors
from tests.evaluation.colours import COLOURS, ColourEmbedder, change, film


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A film of each colour, and one that is red for two seconds, then blue."""
    folder = tmp_path_factory.mktemp("films")
    for colour in COLOURS:
        film(folder / f"{colour}.mp4", colour)
    change(folder / "mixed.mp4", "red", "blue")
    return folder


def test_the_right_option_comes_first(films: Path, tmp_path: Path) -> None:
    options = [f"a {colour} film" for colour in COLOURS]
    rows = [{"video": f"{c}.mp4", "caption": options, "answer": at} for at, c in enumerate(COLOURS)]
    wrong = {"video": "red.mp4", "caption": ["a blue film", "a red film"], "answer": 0}
    equal = {"video": "red.mp4", "caption": ["a red film", "the red film"], "answer": 0}
    gone = {"video": "gone.mp4", "caption": options, "answer": 0}
    path = tmp_path / "mc.json"
    path.write_text(json.dumps([*rows, wrong, equal, gone]))
    result = MSRVTTChoice((str(path),), str(films)).evaluate(ColourEmbedder(), Run())
    # Four right of six: one is wrong, one ties with another option.
    assert result.metrics == {"top1": pytest.approx(100 * 4 / 6)}
    assert (result.protocol.listed, result.protocol.found) == (7, 6)
    assert result.protocol.details["options"] == [2, 4]
    assert result.texts["texts"] == 20
    with pytest.raises(ConfigInvalidError, match="its file of questions"):
        MultipleChoice(videos=str(films)).read()


def charades(folder: Path) -> tuple[str, str]:
    head = "id,script,descriptions,actions,length\n"
    rows = "red,,,c000 0.00 1.00,1\nblue,,,c001 0.00 1.00,1\n"
    both = "mixed,,,c000 0.00 2.00;c001 2.00 4.00,4\nwhite,,,,1\n"
    (folder / "c.csv").write_text(head + rows + both)
    (folder / "classes.txt").write_text("c000 a red thing\nc001 a blue thing\nc002 a green thing\n")
    return str(folder / "c.csv"), str(folder / "classes.txt")


def test_charades_measures_mean_average_precision(films: Path, tmp_path: Path) -> None:
    csv, classes = charades(tmp_path)
    benchmark = ZeroShotCharades((csv,), str(films), classes=classes, templates="{}")
    result = benchmark.evaluate(ColourEmbedder(), Run())
    # Of each class one clip shows nothing else, and one shows it half of the time.
    assert result.metrics["mean_average_precision"] == pytest.approx(100.0)
    assert result.classes == {"a red thing": 100.0, "a blue thing": 100.0}
    assert (result.protocol.found, result.protocol.details["classes"]) == (4, 3)
    assert result.texts["texts"] == 3
    swapped = tmp_path / "swapped.txt"
    swapped.write_text("c000 a blue thing\nc001 a red thing\n")
    wrong = dataclasses.replace(benchmark, classes=str(swapped)).evaluate(ColourEmbedder(), Run())
    # Ordered by the other class: right ones at places 2 and 3 of three.
    assert wrong.metrics["mean_average_precision"] == pytest.approx(100 * (1 / 2 + 2 / 3) / 2)
    with pytest.raises(ConfigInvalidError, match="needs the names of its action codes"):
        dataclasses.replace(benchmark, classes="").read()


class CodeClassifier:
    """Knows the codes of two colours, and one that the set lacks."""

    def class_names(self) -> tuple[str, ...]:
        return ("c001", "c000", "c002")

    def class_scores(self, videos: Sequence[Frames]) -> Vectors:
        means = np.stack([video.mean((0, 1, 2)) for video in videos])
        return (means[:, [2, 0, 1]] / 50).astype(np.float32)

    def identity(self) -> Identity:
        return Identity("codes", "c", "mean", 4)


def test_a_classifier_of_codes_is_measured_by_the_same_metric(films: Path, tmp_path: Path) -> None:
    csv, classes = charades(tmp_path)
    benchmark = FineTunedCharades((csv,), str(films))
    result = benchmark.evaluate(CodeClassifier(), Run())
    assert result.metrics["mean_average_precision"] == pytest.approx(100.0)
    assert result.classes == {"c000": 100.0, "c001": 100.0}
    with pytest.raises(ConfigInvalidError, match="does not know 'a blue thing'"):
        dataclasses.replace(benchmark, classes=classes).evaluate(CodeClassifier(), Run())
    with pytest.raises(ConfigInvalidError, match="no classes of its own"):
        benchmark.evaluate(ColourEmbedder(), Run())  # type: ignore[arg-type]


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_average_precision_agrees_with_its_definition(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 8))
    scores = np.array(data.draw(st.lists(st.integers(0, 3), min_size=count, max_size=count)), float)
    right = np.array(data.draw(st.lists(st.booleans(), min_size=count, max_size=count)))
    if not right.any():
        return
    # Every clip has some label, so that none is left out.
    found = average_precisions(
        np.stack([scores, scores], axis=1), np.stack([right, np.ones(count, bool)], axis=1)
    )
    worst_first = sorted(range(count), key=lambda at: (-scores[at], right[at]))
    hits, total = 0, 0.0
    for place, at in enumerate(worst_first, start=1):
        if right[at]:
            hits += 1
            total += hits / place
    assert found[0] == pytest.approx(total / right.sum())
    assert found[1] == pytest.approx(1.0)


def test_clips_without_labels_and_classes_without_clips_are_left_out() -> None:
    scores = np.array([[0.9, 0.1], [0.5, 0.2], [0.1, 0.3]])
    labels = np.array([[False, False], [True, False], [False, False]])
    found = average_precisions(scores, labels)
    assert found[0] == 1.0
    assert np.isnan(found[1])
    with pytest.raises(ConfigInvalidError, match="no clip has a label"):
        average_precisions(scores, np.zeros((3, 2), bool))


def test_moments_are_read_and_not_whole_videos(films: Path, tmp_path: Path) -> None:
    sta = tmp_path / "sta.txt"
    sta.write_text("mixed 0.0 2.0##a red film\nmixed 2.0 4.0##a blue film\nmixed 1.0 1.0##none\n")
    result = CharadesSTA((str(sta),), str(films)).evaluate(ColourEmbedder(), Run())
    assert result.metrics["text_to_video_r1"] == result.metrics["video_to_text_r1"] == 100.0
    assert result.protocol.listed == result.protocol.found == 2
    assert [(one.clip, one.reason) for one in result.missing] == [("mixed_1_1", "empty_span")]
    cook = tmp_path / "validation_youcook.csv"
    cook.write_text(
        "end,start,task,text,video_id\n2,0,1,a red film,mixed\n4,2,1,a blue film,mixed\n"
    )
    for benchmark in (
        YouCook2((str(cook),), str(films)),
        ZeroShotRetrieval((str(cook),), str(films)),
    ):
        assert benchmark.evaluate(ColourEmbedder(), Run()).metrics["text_to_video_r1"] == 100.0


def test_ids_without_texts_are_missing_from_the_result(films: Path, tmp_path: Path) -> None:
    row = {"duration": 1.0, "timestamps": [[0, 1]], "sentences": ["a red film"]}
    other = row | {"sentences": ["a blue film"]}
    (tmp_path / "val_1.json").write_text(json.dumps({"v_red": row, "v_blue": other}))
    (tmp_path / "val_ids.json").write_text(json.dumps(["v_red", "v_blue", "v_none"]))
    files = (str(tmp_path / "val_1.json"), str(tmp_path / "val_ids.json"))
    result = ActivityNet(files, str(films)).evaluate(ColourEmbedder(), Run())
    assert (result.protocol.listed, result.protocol.found) == (2, 2)
    assert [(one.clip, one.reason) for one in result.missing] == [("v_none", "no_texts")]
    whole = ActivityNet(files[:1], str(films)).evaluate(ColourEmbedder(), Run())
    assert whole.protocol == result.protocol
