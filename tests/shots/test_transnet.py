"""The network of the learned detector, and the checkpoints it reads."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from internvid.core.errors import ConfigInvalidError, DependencyMissingError
from internvid.models import transnet
from internvid.shots.learned import LearnedDetector
from tests.shots.networks import random_state, write_weights

Pictures = npt.NDArray[np.uint8]


@pytest.fixture
def weights(tmp_path: Path) -> str:
    """A checkpoint of random numbers."""
    return write_weights(tmp_path / "random.pth", random_state())


def draw_pictures(count: int, seed: int = 0) -> Pictures:
    """uint8 [count, 27, 48, 3]: soft noise around a colour that changes now and then."""
    random = np.random.default_rng(seed)
    colours = random.integers(0, 256, (count // 9 + 1, 1, 1, 3)).repeat(9, axis=0)[:count]
    noise = random.normal(0, 25, (count, 27, 48, 3))
    return np.asarray(np.clip(colours + noise, 0, 255), np.uint8)


# --- the network ---------------------------------------------------------------------------


def slow_reference(state: dict[str, Tensor], frames_bthwc: Pictures) -> Tensor:
    """[B, T, 2] probabilities, layer by layer as the paper draws them: 3-D convolutions, loops."""

    def cell(values: Tensor, prefix: str) -> Tensor:
        branches = []
        for dilation in (1, 2, 4, 8):
            first, second = (state[f"{prefix}Conv3D_{dilation}.layers.{k}.weight"] for k in (0, 1))
            wide = functional.conv3d(values, first, padding=(0, 1, 1))
            branches.append(
                functional.conv3d(wide, second, padding=(dilation, 0, 0), dilation=(dilation, 1, 1))
            )
        norm = [
            state[f"{prefix}bn.{name}"]
            for name in ("running_mean", "running_var", "weight", "bias")
        ]
        return functional.batch_norm(torch.cat(branches, 1), *norm, eps=1e-3)

    def linear(name: str, values: Tensor) -> Tensor:
        return values @ state[f"{name}.weight"].T + state[f"{name}.bias"]

    def look_up(vectors: Tensor) -> Tensor:
        batch, count, _ = vectors.shape
        found = torch.zeros(batch, count, 101)
        for b in range(batch):
            for t in range(count):
                for k in range(101):
                    other = t + k - 50
                    if 0 <= other < count:
                        one, two = vectors[b, t], vectors[b, other]
                        found[b, t, k] = one @ two / (one.norm() * two.norm())
        return found

    values = torch.tensor(frames_bthwc).permute(0, 4, 1, 2, 3).float() / 255
    means = []
    for stack in range(3):
        shortcut = torch.relu(cell(values, f"SDDCNN.{stack}.DDCNN.0."))
        values = torch.relu(cell(shortcut, f"SDDCNN.{stack}.DDCNN.1.")) + shortcut
        values = functional.avg_pool3d(values, (1, 2, 2))
        means.append(values.mean((3, 4)).transpose(1, 2))
    counts = np.zeros((*frames_bthwc.shape[:2], 512), np.float32)
    for b, t, y, x in np.ndindex(frames_bthwc.shape[:4]):
        red, green, blue = (int(level) // 32 for level in frames_bthwc[b, t, y, x])
        counts[b, t, red * 64 + green * 8 + blue] += 1
    features = [
        torch.relu(linear("color_hist_layer.fc", look_up(torch.tensor(counts)))),
        torch.relu(
            linear(
                "frame_sim_layer.fc",
                look_up(linear("frame_sim_layer.projection", torch.cat(means, 2))),
            )
        ),
        values.permute(0, 2, 3, 4, 1).flatten(2),
    ]
    hidden = torch.relu(linear("fc1", torch.cat(features, 2)))
    return torch.sigmoid(torch.cat([linear("cls_layer1", hidden), linear("cls_layer2", hidden)], 2))


@pytest.mark.parametrize("count", [1, 2, 9, 40])
def test_network_equals_the_slow_reference(count: int) -> None:
    state = random_state(seed=count)
    frames = draw_pictures(count)[None]
    expected = slow_reference(state, frames).numpy()
    found = np.stack(transnet.make_network(state).predict(frames), axis=-1)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    if count > 9:
        assert found.std(axis=1).min() > 1e-3


def test_windows_of_a_batch_do_not_see_one_another() -> None:
    network = transnet.make_network(random_state())
    windows = np.stack([draw_pictures(100, seed) for seed in range(4)])
    together = network.predict(windows)
    for window in range(4):
        alone = network.predict(windows[window : window + 1])
        for one, other in zip(together, alone, strict=True):
            np.testing.assert_allclose(one[window], other[0], atol=1e-5)


def test_the_papers_size_is_the_default_size() -> None:
    shapes = transnet.expected_shapes()
    assert shapes["fc1.weight"] == (1024, 4864)
    assert shapes["frame_sim_layer.projection.weight"] == (128, 448)
    assert sum(np.prod(shape) for shape in shapes.values()) == 7_618_050


def test_the_callers_number_of_threads_stays() -> None:
    before = torch.get_num_threads()
    transnet.make_network(random_state()).predict(draw_pictures(2)[None])
    assert torch.get_num_threads() == before


# --- checkpoints ---------------------------------------------------------------------------


def test_counters_of_training_steps_are_optional(tmp_path: Path) -> None:
    state = random_state()
    state["SDDCNN.0.DDCNN.0.bn.num_batches_tracked"] = torch.tensor(7)
    assert transnet.load(write_weights(tmp_path / "w.pth", state))


def test_a_replaced_file_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    frames = draw_pictures(5)[None]
    first = transnet.load(write_weights(path, random_state(1))).predict(frames)[0]
    second = transnet.load(write_weights(path, random_state(2))).predict(frames)[0]
    assert not np.array_equal(first, second)


def test_a_foreign_checkpoint_is_refused_with_its_keys(tmp_path: Path) -> None:
    path = write_weights(tmp_path / "w.pth", torch.nn.Linear(3, 2).state_dict())
    with pytest.raises(
        ConfigInvalidError, match=r"missing: SDDCNN\.0.* and \d+ more; unexpected: weight, bias"
    ):
        transnet.load(path)


def test_misshapen_parameters_are_named_with_both_shapes() -> None:
    state = random_state()
    state["cls_layer1.weight"] = torch.zeros(2, 8)
    with pytest.raises(
        ConfigInvalidError, match=r"misshapen: cls_layer1.weight \[2, 8\] instead of \[1, 8\]"
    ):
        transnet.make_network(state)


def test_numbers_that_are_not_finite_are_refused() -> None:
    state = random_state()
    state["fc1.bias"][0] = float("nan")
    with pytest.raises(ConfigInvalidError, match=r"not finite: fc1\.bias"):
        transnet.make_network(state)


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.99])
def test_a_truncated_file_is_refused(weights: str, share: float) -> None:
    whole = Path(weights).read_bytes()
    Path(weights).write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(ConfigInvalidError, match=r"random\.pth are no"):
        LearnedDetector(weights=weights).observers()


def test_a_file_that_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    path.write_bytes(b"hello, this is text")
    with pytest.raises(ConfigInvalidError, match="no readable checkpoint"):
        transnet.load(str(path))
    torch.save([1, 2], path)
    with pytest.raises(ConfigInvalidError, match="hold a list"):
        transnet.load(str(path))
    torch.save({"state_dict": random_state()}, path)
    with pytest.raises(ConfigInvalidError, match="other things than tensors: state_dict"):
        transnet.load(str(path))


def test_code_in_a_checkpoint_is_not_run(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, ...]:
            return (Path.touch, (tmp_path / "ran",))

    path = tmp_path / "w.pth"
    torch.save({"a": Trap()}, path)
    with pytest.raises(ConfigInvalidError, match="other things than tensors"):
        transnet.load(str(path))
    path.write_bytes(pickle.dumps(Trap(), protocol=2))
    with pytest.raises(ConfigInvalidError):
        transnet.load(str(path))
    assert not (tmp_path / "ran").exists()


def test_missing_packages_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "safetensors.torch", None)
    path = tmp_path / "w.safetensors"
    path.write_bytes(b"")
    with pytest.raises(DependencyMissingError, match="pip install safetensors"):
        transnet.load(str(path))
