"""Files of torch.save are read for tensors; nothing that they name runs."""

from __future__ import annotations

import os
import pickle
import sys
import types
import zipfile
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from internvid.core.errors import CheckpointError, CheckpointFormatError
from internvid.models.viclip import ViCLIP
from internvid.models.viclip.weights.checkpoint import read_weights

STATE = OrderedDict(
    {
        "whole": torch.arange(24, dtype=torch.float32).reshape(2, 3, 4),
        "turned": torch.arange(6, dtype=torch.float32).reshape(2, 3).T,
        "part": torch.arange(10)[2:7],
        "half": torch.ones(3, dtype=torch.bfloat16),
        "scalar": torch.tensor(0.5, dtype=torch.float64),
        "none": torch.empty(0, 4),
        "flags": torch.tensor([True, False]),
        "parameter": torch.nn.Parameter(torch.ones(2)),
    }
)
LEGACY = {"_use_new_zipfile_serialization": False}


@pytest.fixture
def easydict(monkeypatch: pytest.MonkeyPatch) -> Iterator[type]:
    """A class as in the public training code, that readers do not have."""
    package, module = types.ModuleType("utils"), types.ModuleType("utils.easydict")

    class EasyDict(dict):  # type: ignore[type-arg]
        def __setattr__(self, name: str, value: Any) -> None:
            self[name] = value

    EasyDict.__module__, EasyDict.__qualname__ = "utils.easydict", "EasyDict"
    module.EasyDict = EasyDict  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "utils", package)
    monkeypatch.setitem(sys.modules, "utils.easydict", module)
    return EasyDict


def assert_equal_states(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    assert list(found) == list(expected)
    for key, value in expected.items():
        assert found[key].dtype == value.dtype
        assert torch.equal(found[key], value.detach()), key


@pytest.mark.parametrize("options", [{}, LEGACY], ids=["zip", "legacy"])
@pytest.mark.parametrize("wrapper", [None, "model", "module", "state_dict"])
def test_tensors_come_back_as_torch_wrote_them(
    tmp_path: Path, options: dict[str, Any], wrapper: str | None
) -> None:
    path = tmp_path / "x.pth"
    torch.save({wrapper: STATE} if wrapper else STATE, path, **options)
    assert_equal_states(read_weights(path), STATE)


@pytest.mark.parametrize("options", [{}, LEGACY], ids=["zip", "legacy"])
def test_a_checkpoint_of_training_with_foreign_classes_is_read(
    tmp_path: Path, easydict: type, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]
) -> None:
    path = tmp_path / "ckpt.pth"
    config = easydict(model=easydict(width=3), path=Path("x"), seen={1, 2}, kind=torch.float16)
    whole = {
        "model": STATE,
        "optimizer": {"state": {0: {"exp_avg": torch.ones(5)}}, "param_groups": [{"lr": 0.1}]},
        "scheduler": {"base_lrs": [0.1]},
        "config": config,
        "epoch": 9,
    }
    torch.save(whole, path, **options)
    monkeypatch.delitem(sys.modules, "utils.easydict")
    with pytest.raises((pickle.UnpicklingError, ModuleNotFoundError)):
        torch.load(path, weights_only=True)
    assert_equal_states(read_weights(path), STATE)
    assert "utils.easydict" not in sys.modules


class Malicious:
    """Runs a command when an ordinary unpickler meets it."""

    def __init__(self, path: Path, function: Any = os.system) -> None:
        self.path, self.function = path, function

    def __reduce__(self) -> tuple[Any, ...]:
        return (self.function, (f"touch '{self.path}'",))


@pytest.mark.parametrize("options", [{}, LEGACY], ids=["zip", "legacy"])
@pytest.mark.parametrize("function", [os.system, eval, exec], ids=["system", "eval", "exec"])
def test_malicious_pickles_do_not_run(
    tmp_path: Path, options: dict[str, Any], function: Any
) -> None:
    mark, path = tmp_path / "ran", tmp_path / "x.pth"
    evil = Malicious(mark, function)
    if function is not os.system:
        evil.__dict__["path"] = f"{mark}'; __import__('pathlib').Path('{mark}').touch(); '"
    torch.save({"model": STATE, "config": evil, "more": [evil, {"deep": evil}]}, path, **options)
    assert_equal_states(read_weights(path), STATE)
    with pytest.raises(CheckpointError):
        ViCLIP.from_pretrained(path)
    assert not mark.exists()


def test_hand_written_opcodes_do_not_run(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    command = f"touch '{mark}'"
    programs = [
        f"cos\nsystem\n(S{command!r}\ntR.".encode(),
        f"(S{command!r}\nios\nsystem\n.".encode(),
        f"cbuiltins\ngetattr\n(cos\nS'system'\ntR(S{command!r}\ntR.".encode(),
        f"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c{chr(len(command))}{command}\x85R.".encode(
            "latin-1"
        ),
    ]
    for program in programs:
        path = tmp_path / "x.pth"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("archive/data.pkl", program)
            archive.writestr("archive/version", "3")
        with pytest.raises(CheckpointError):
            ViCLIP.from_pretrained(path)
        path.write_bytes(program)
        with pytest.raises(CheckpointError):
            ViCLIP.from_pretrained(path)
        assert not mark.exists()


def test_every_truncation_says_so(tmp_path: Path) -> None:
    for options in ({}, LEGACY):
        path = tmp_path / "x.pth"
        torch.save({"model": {"a": torch.ones(3000), "b": torch.ones(7)}}, path, **options)
        data = path.read_bytes()
        for size in (1, 10, 100, 600, len(data) // 2, len(data) - 40):
            path.write_bytes(data[:size])
            with pytest.raises(CheckpointFormatError, match=r"truncated|not written by torch"):
                read_weights(path)
        path.write_bytes(b"")
        with pytest.raises(CheckpointFormatError, match="empty"):
            read_weights(path)


def test_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.pth"
    path.write_text("<html>Not found</html>")
    with pytest.raises(CheckpointFormatError):
        read_weights(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "hello")
    with pytest.raises(CheckpointFormatError, match="not of torch"):
        read_weights(path)
    torch.save([1, 2, 3], path)
    with pytest.raises(CheckpointFormatError, match="list"):
        read_weights(path)


def test_tensors_that_reach_beyond_their_numbers_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.pth"
    torch.save({"a": torch.ones(4)}, path)
    with zipfile.ZipFile(path) as archive:
        parts = {info.filename: archive.read(info) for info in archive.infolist()}
    name = next(name for name in parts if name.endswith("data.pkl"))
    # The size (4,) is BININT1 4 TUPLE1; the stride stays.
    assert parts[name].count(b"K\x04\x85") == 1
    parts[name] = parts[name].replace(b"K\x04\x85", b"K\xff\x85")
    with zipfile.ZipFile(path, "w") as archive:
        for part, data in parts.items():
            archive.writestr(part, data)
    with pytest.raises(CheckpointFormatError, match="beyond"):
        read_weights(path)
