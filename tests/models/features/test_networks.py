"""Feature networks against the same ones written another way, with published keys."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from internvid.core.errors import (
    CheckpointError,
    CheckpointMismatchError,
    ConfigInvalidError,
    WeightsMissingError,
)
from internvid.models.features.networks import open_i3d, open_inception, open_videomae
from internvid.models.features.pixels import PixelRule, check_video
from tests.models.features.reference import TinyI3D, TinyInception, shaken
from tests.models.tiny import TinyModels

RNG = np.random.default_rng(0)
VIDEOS = [RNG.integers(0, 256, (16, 40, 56, 3), np.uint8) for _ in range(3)]


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def save(module: torch.nn.Module, path: Path) -> Path:
    torch.save(module.state_dict(), path)
    return path


def script(module: torch.nn.Module, path: Path) -> Path:
    with warnings.catch_warnings(action="ignore"):
        torch.jit.script(module).save(str(path))  # type: ignore[no-untyped-call]
    return path


def test_i3d_is_pytorch_i3d(tmp_path: Path) -> None:
    other = shaken(TinyI3D())
    network = open_i3d(save(other, tmp_path / "i3d.pt"), size=32, device="cpu")
    scaled = torch.nn.functional.interpolate(
        torch.from_numpy(np.concatenate(VIDEOS)).permute(0, 3, 1, 2).float(),
        (32, 45), mode="bilinear", align_corners=False,
    )[..., 6:38]  # fmt: skip
    pixels = (scaled / 127.5 - 1).reshape(3, 16, 3, 32, 32).transpose(1, 2)
    expected = other(pixels).numpy()
    assert expected.std(axis=0).min() > 1e-4
    np.testing.assert_allclose(network(VIDEOS), expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(network([v.astype(np.float64) for v in VIDEOS]), expected,
                               rtol=1e-4, atol=1e-5)  # fmt: skip
    about = network.describe()
    assert (about["size"], about["antialias"], about["resize"]) == (32, False, "bilinear, crop")
    assert open_i3d(tmp_path / "i3d.pt", size=32, antialias=True, device="cpu")(VIDEOS) != (
        pytest.approx(expected, abs=1e-4)
    )


def test_other_keys_load_too(tmp_path: Path) -> None:
    other = shaken(TinyI3D())
    branches = {"b0": "branch_0", "b1a": "branch_1.0", "b1b": "branch_1.1", "b2a": "branch_2.0",
                "b2b": "branch_2.1", "b3b": "branch_3.1"}  # fmt: skip
    state = {}
    for key, value in other.state_dict().items():
        name = re.sub(r"\.(b\d\w?)\.", lambda f: f".{branches[f[1]]}.", key)
        name = name.replace(".bn.", ".batch3d.").replace("logits.", "conv3d_0c_1x1.")
        state["module." + name.replace("Mixed", "mixed").replace("Conv3d", "conv3d")] = value
    torch.save({"state_dict": state}, tmp_path / "other.pth")
    one = open_i3d(tmp_path / "other.pth", size=32, device="cpu")
    two = open_i3d(save(other, tmp_path / "i3d.pt"), size=32, device="cpu")
    np.testing.assert_array_equal(one(VIDEOS), two(VIDEOS))


@pytest.mark.parametrize("ported", [True, False])
def test_inception_is_that_of_its_keys(tmp_path: Path, *, ported: bool) -> None:
    other = shaken(TinyInception(ported=ported))
    network = open_inception(save(other, tmp_path / "in.pth"), size=96, device="cpu")
    pixels = torch.nn.functional.interpolate(
        torch.from_numpy(VIDEOS[0][:4]).permute(0, 3, 1, 2).float(), (96, 96), mode="bilinear"
    )
    features, logits = other(pixels / 127.5 - 1)
    made = network([VIDEOS[0][:4]]).reshape(1, 4, -1)
    assert made.shape[2] == network.width + 5
    assert features.std(dim=0).max() > 1e-4
    np.testing.assert_allclose(made[0, :, : network.width], features, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(made[0, :, network.width :], logits, rtol=1e-3, atol=1e-5)
    assert ("TensorFlow" in network.describe()["layer"]) == ported


def test_videomae_is_that_of_transformers(tiny_models: TinyModels) -> None:
    transformers = pytest.importorskip("transformers")
    network = open_videomae(tiny_models["videomae"], device="cpu")
    model = transformers.VideoMAEForVideoClassification.from_pretrained(tiny_models["videomae"])
    rule = PixelRule(32, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
    seen = []
    model.classifier.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    with torch.no_grad():
        model(rule.apply(VIDEOS).transpose(1, 2))
    np.testing.assert_allclose(network(VIDEOS), seen[0], rtol=1e-4, atol=1e-5)
    with pytest.raises(ConfigInvalidError, match=r"12 frames for VideoMAE\nhint: allowed are 16"):
        network([VIDEOS[0][:12]])
    with pytest.raises(ConfigInvalidError, match="wanted is a fine-tuned VideoMAE"):
        open_videomae(tiny_models["clip"], device="cpu")


class Scripted(torch.nn.Module):
    """Answers like StyleGAN-V's file: with its flags on, it scales 0 to 255 by itself."""

    def forward(
        self, x: torch.Tensor, rescale: bool = True, resize: bool = True,
        return_features: bool = False,
    ) -> torch.Tensor:  # fmt: skip
        if rescale:
            x = x / 127.5 - 1
        if resize or not return_features:
            x = x * 0
        return x.flatten(2).mean(2)


class ScriptedMap(torch.nn.Module):
    """Gives a map where a vector is due."""

    def forward(
        self, x: torch.Tensor, rescale: bool, resize: bool, return_features: bool
    ) -> torch.Tensor:
        return x


def test_programs_are_run_only_where_that_is_allowed(tmp_path: Path) -> None:
    path = script(Scripted(), tmp_path / "i3d_torchscript.pt")
    with pytest.raises(ConfigInvalidError, match="a program that would be run"):
        open_i3d(path, device="cpu")
    network = open_i3d(path, size=32, torchscript=True, device="cpu")
    expected = PixelRule(32).apply(VIDEOS).flatten(2).mean(2)
    np.testing.assert_allclose(network(VIDEOS), expected, rtol=1e-5)
    script(ScriptedMap(), tmp_path / "map.pt")
    with pytest.raises(ConfigInvalidError, match="not a vector a sample"):
        open_i3d(tmp_path / "map.pt", torchscript=True, size=32, device="cpu")(VIDEOS)
    with pytest.raises(ConfigInvalidError, match="the TorchScript network fails"):
        open_inception(path, torchscript=True, device="cpu")
    with pytest.raises(ConfigInvalidError, match="a program"):
        open_inception(path, device="cpu")


class ScriptedFrames(torch.nn.Module):
    """Answers like NVIDIA's Inception: features, or shares of classes."""

    def forward(
        self, x: torch.Tensor, return_features: bool = False, no_output_bias: bool = False
    ) -> torch.Tensor:
        means = x.flatten(2).mean(2)
        return means if return_features else torch.softmax(means, 1)


def test_scripted_inception_gets_levels(tmp_path: Path) -> None:
    path = script(ScriptedFrames(), tmp_path / "inception.pt")
    network = open_inception(path, torchscript=True, device="cpu")
    rows = network(VIDEOS).reshape(3, 16, 6)
    means = VIDEOS[0].mean((1, 2))
    np.testing.assert_allclose(rows[0, :, :3], means, rtol=1e-5)
    shares = np.exp(means - means.max(1, keepdims=True))
    np.testing.assert_allclose(np.exp(rows[0, :, 3:]), shares / shares.sum(1, keepdims=True),
                               rtol=1e-3, atol=1e-6)  # fmt: skip


def test_what_is_no_video_is_refused() -> None:
    video = VIDEOS[0].astype(np.float32)
    with pytest.raises(ConfigInvalidError, match=r"floats from 0 to 1\nhint: .*multiply by 255"):
        check_video(video / 255)
    for bad in (video - 300, video * 2, video[..., :2], video[0], VIDEOS[0].astype(np.int64)):
        with pytest.raises(ConfigInvalidError, match=r"from 0 to 255"):
            check_video(bad)
    video[0, 0, 0, 0] = np.nan
    with pytest.raises(ConfigInvalidError, match="NaN"):
        check_video(video)
    with pytest.raises(ConfigInvalidError, match="several shapes"):
        PixelRule(32).apply([VIDEOS[0], VIDEOS[1][:8]])
    with pytest.raises(ConfigInvalidError, match="fit"):
        PixelRule(32, "stretch")  # type: ignore[arg-type]


def test_what_are_no_weights_is_refused(tmp_path: Path) -> None:
    state = shaken(TinyI3D()).state_dict()
    with pytest.raises(WeightsMissingError):
        open_i3d(tmp_path / "none.pt", device="cpu")
    with pytest.raises(WeightsMissingError, match="is a folder"):
        open_i3d(tmp_path, device="cpu")
    (tmp_path / "junk.pt").write_bytes(b"junk")
    with pytest.raises(CheckpointError):
        open_i3d(tmp_path / "junk.pt", device="cpu")
    torch.save({k: v for k, v in state.items() if "4d" not in k}, tmp_path / "some.pt")
    with pytest.raises(CheckpointMismatchError, match="30 keys are missing"):
        open_i3d(tmp_path / "some.pt", device="cpu")
    torch.save({k: v for k, v in state.items() if "logits" not in k}, tmp_path / "body.pt")
    with pytest.raises(CheckpointMismatchError, match="lack the logits"):
        open_i3d(tmp_path / "body.pt", device="cpu")
    with pytest.raises(CheckpointMismatchError, match="Inception-v3"):
        open_inception(save(shaken(TinyI3D()), tmp_path / "i3d.pt"), device="cpu")
    network = open_i3d(tmp_path / "i3d.pt", size=32, device="cpu")
    with pytest.raises(ConfigInvalidError, match="8 frames for I3D"):
        network([VIDEOS[0][:8]])
