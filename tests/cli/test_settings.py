"""`--set` of every verb: together, in any order, with the same words where it is refused."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from internvid.core.assignments import with_values
from internvid.core.errors import ConfigInvalidError
from internvid.dataset.store import Dataset
from internvid.recipes import default
from internvid.training.recipes import pretraining as recipes
from tests.cli.speaking import Capture, spoken
from tests.media import write_video

PAIRS = "tests.cli.pairs"
TAKING = {
    "shots": (f"shots a.mp4 --detector {PAIRS}:Detector", ""),
    "caption": (f"caption data --captioner {PAIRS}:Captioner", ""),
    "score": (f"score data --scorer {PAIRS}:Scorer", ""),
    "select": (f"select data {PAIRS}:Selector --as some", ""),
    "publish": (f"publish data out --exporter {PAIRS}:Exporter", ""),
    "build": (f"build a.mp4 -o new --no-report --detector {PAIRS}:Detector", "cut.detector."),
}
REFUSING = {
    **TAKING,
    "audit": (f"audit data --scorer {PAIRS}:Scorer", ""),
    "evaluate": (f"evaluate fake --benchmark {PAIRS}:Benchmark", ""),
}


@pytest.fixture
def at_work(dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a dataset and a video, and the current one."""
    shutil.copytree(dataset.root, tmp_path / "data")
    write_video(tmp_path / "a.mp4", frames=40)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def sets(path: str, *values: str) -> list[str]:
    return [word for value in values for word in ("--set", path + value)]


@pytest.mark.parametrize(("command", "path"), TAKING.values(), ids=TAKING)
@pytest.mark.usefixtures("at_work")
def test_values_that_must_agree_come_in_any_order(command: str, path: str, capsys: Capture) -> None:
    # Alone, the first is refused: a pair has (1, 5) by itself.
    code, _, err = spoken(capsys, *command.split(), *sets(path, "low=7", "high=9"))
    assert code == 0, err


@pytest.mark.parametrize(("command", "path"), REFUSING.values(), ids=REFUSING)
@pytest.mark.usefixtures("at_work")
def test_values_that_disagree_are_refused_with_their_names(
    command: str, path: str, capsys: Capture
) -> None:
    code, out, err = spoken(capsys, *command.split(), *sets(path, "low=9", "high=7"))
    assert (code, out) == (2, "")
    assert err == (
        f"error: {path}low and {path}high: low 9 must lie under high 7\n"
        "hint: change one of them, or leave it out; they are checked together, in any order\n"
    )


@pytest.mark.parametrize("verb", ["train --data world -o run", "compare data --subsets a,b"])
def test_a_model_that_cannot_be_is_refused_with_its_numbers(
    verb: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.chdir(tmp_path)
    numbers = sets("model.config.", "vision_heads=3", "frames=2", "vision_width=100")
    code, out, err = spoken(capsys, *verb.split(), *numbers)
    assert (code, out) == (2, "")
    assert (
        "error: model.config.vision_heads and model.config.vision_width: "
        "vision_width 100 cannot be shared by vision_heads 3\n"
    ) in err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("turn", [1, -1])
def test_training_recipes_take_what_belongs_together_in_any_order(turn: int) -> None:
    shape = ["model.config.vision_heads=3", "model.config.vision_width=96"]
    config = with_values(recipes.viclip_tiny(), shape[::turn]).model.config
    assert (config.vision_heads, config.vision_width) == (3, 96)
    chosen = ["stages=unmasked", "stages.unmasked.batch=64"]
    stages = with_values(recipes.viclip_b16(), chosen[::turn]).stages
    assert [(stage.name, stage.batch) for stage in stages] == [("unmasked", 64)]
    tuned = ["head.mixup=0.3", "stages.tune.mask_ratio=0.5", "stages.tune.batch=8"]
    with pytest.raises(ConfigInvalidError) as caught:
        with_values(recipes.get("viclip_action"), tuned[::turn])
    at_fault = caught.value.message.partition(": ")[0].split(" and ")
    assert at_fault == [one.partition("=")[0] for one in tuned[::turn] if "batch" not in one]


@pytest.mark.parametrize("turn", [1, -1])
def test_a_star_says_it_of_all_but_those_told_otherwise(turn: int) -> None:
    chosen = ["stages.*.batch=16", "stages.masked.batch=64", "stages.*.floor=0.1"]
    stages = with_values(recipes.viclip_b16(), chosen[::turn]).stages
    assert [(stage.batch, stage.floor) for stage in stages] == [(64, 0.1), (16, 0.1)]
    removed = ["stages.*.batch=16", "stages.masked=none"]
    (left,) = with_values(recipes.viclip_b16(), removed[::turn]).stages
    assert (left.name, left.batch) == ("unmasked", 16)
    chosen = with_values(default(), ["captioners.*.certainty.camera=0.7"])
    assert [each.certainty.camera for each in chosen.captioners.values()] == [0.7]


def test_a_star_is_refused_as_its_members_would_be() -> None:
    with pytest.raises(ConfigInvalidError, match="batch cannot be 1"):
        with_values(recipes.viclip_b16(), ["stages.*.batch=1"])
    with pytest.raises(ConfigInvalidError, match="Stage has no field 'bach'"):
        with_values(recipes.viclip_b16(), ["stages.*.bach=1"])
