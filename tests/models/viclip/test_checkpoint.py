"""Saving, loading, other shapes, and what is wrong with wrong checkpoints."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from internvid.core.errors import (
    CheckpointFormatError,
    CheckpointMismatchError,
    ConfigInvalidError,
    DependencyMissingError,
    OutputExistsError,
    SourceMissingError,
    StorageError,
)
from internvid.models.viclip import Preprocessing, ViCLIP, ViCLIPConfig
from internvid.models.viclip.weights import hub
from internvid.models.viclip.weights.positions import resize_spatial, resize_temporal

TEXTS = ["a red ball rolls", "crème brûlée"]


def pixels(model: ViCLIP) -> torch.Tensor:
    side = model.config.resolution
    return torch.randn(2, model.config.frames, 3, side, side)


def assert_same(first: ViCLIP, second: ViCLIP) -> None:
    clips = pixels(first)
    assert torch.equal(first.encode_pixels(clips), second.encode_pixels(clips))
    assert torch.equal(first.encode_text(TEXTS), second.encode_text(TEXTS))
    assert first.temp.item() == second.temp.item()


def test_a_saved_folder_comes_back(tiny: ViCLIP, tmp_path: Path) -> None:
    rule = Preprocessing("mine", fit="crop", mean=(0.1, 0.2, 0.3))
    model = ViCLIP.from_pretrained(tiny.state_dict(), preprocessing=rule)
    assert model.tokenizer
    for _ in range(2):  # again over itself
        model.save_pretrained(tmp_path / "saved")
    assert sorted(path.name for path in (tmp_path / "saved").iterdir()) == [
        "config.json", "merges.txt", "model.safetensors",
    ]  # fmt: skip
    found = ViCLIP.from_pretrained(tmp_path / "saved")
    assert not found.training
    assert found.config == tiny.config
    assert found.preprocessing == rule
    assert_same(tiny, found)
    assert found.tokenizer.merges.source == str(tmp_path / "saved" / "merges.txt")
    beside = ViCLIP.from_pretrained(tmp_path / "saved" / "model.safetensors")
    assert beside.preprocessing == rule


def test_a_model_with_other_heads_comes_back(tmp_path: Path) -> None:
    config = ViCLIPConfig(
        vision_width=48, vision_layers=1, vision_heads=4, patch=8, resolution=24, frames=3,
        text_width=32, text_layers=1, text_heads=2, embedding=16, vocabulary=49408,
    )  # fmt: skip
    model = ViCLIP(config).eval()
    model.save_pretrained(tmp_path / "saved")
    assert_same(model, ViCLIP.from_pretrained(tmp_path / "saved"))
    with pytest.raises(ConfigInvalidError, match="64 channels"):
        model.export_public(tmp_path / "x.pth")


def test_the_public_layout_comes_back(tiny: ViCLIP, tmp_path: Path) -> None:
    path = tmp_path / "public.pth"
    tiny.export_public(path)
    plain = torch.load(path, weights_only=True)
    assert list(plain) == ["model"]
    assert list(plain["model"]) == list(tiny.state_dict())
    assert_same(tiny, ViCLIP.from_pretrained(path))
    assert_same(tiny, ViCLIP.from_pretrained(plain))
    assert_same(tiny, ViCLIP.from_pretrained(plain["model"]))
    with pytest.raises(OutputExistsError):
        tiny.export_public(path)


@pytest.mark.parametrize("shards", [1, 3])
def test_safetensors_come_back(tiny: ViCLIP, tmp_path: Path, shards: int) -> None:
    state = {key: value.contiguous() for key, value in tiny.state_dict().items()}
    names = {key: f"model-{at % shards}.safetensors" for at, key in enumerate(state)}
    for name in set(names.values()):
        save_file({key: state[key] for key in state if names[key] == name}, tmp_path / name)
    if shards > 1:
        index = tmp_path / "model.safetensors.index.json"
        index.write_text(json.dumps({"metadata": {}, "weight_map": names}))
        assert_same(tiny, ViCLIP.from_pretrained(index))
    # As in the published folders: no shapes in config.json, and code that is never run.
    (tmp_path / "config.json").write_text('{"architectures": ["ViCLIP"], "size": "l"}')
    (tmp_path / "modeling_viclip.py").write_text("raise SystemExit('this ran')")
    assert_same(tiny, ViCLIP.from_pretrained(tmp_path))
    if shards > 1:
        (tmp_path / "model-1.safetensors").unlink()
        with pytest.raises(CheckpointFormatError, match=r"model-1\.safetensors"):
            ViCLIP.from_pretrained(tmp_path)


def test_an_index_cannot_name_files_elsewhere(tmp_path: Path) -> None:
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"temp": "../secret.safetensors"}}))
    with pytest.raises(CheckpointFormatError, match="elsewhere"):
        ViCLIP.from_pretrained(tmp_path)


def test_weights_are_the_models_own(tiny: ViCLIP) -> None:
    given = {key: value.clone() for key, value in tiny.state_dict().items()}
    model = ViCLIP.from_pretrained(given)
    given["temp"].fill_(7)
    assert model.temp.item() == pytest.approx(0.01)
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_other_frame_counts_resize_time(tiny: ViCLIP) -> None:
    table = tiny.vision_encoder.temporal_positional_embedding.detach()
    fewer = ViCLIP.from_pretrained(tiny.state_dict(), frames=3)
    assert torch.equal(fewer.vision_encoder.temporal_positional_embedding, table[:, :3])
    more = ViCLIP.from_pretrained(tiny.state_dict(), frames=8)
    expected = torch.nn.functional.interpolate(table.transpose(1, 2), size=8, mode="linear")
    assert torch.equal(more.vision_encoder.temporal_positional_embedding, expected.transpose(1, 2))
    assert more.config.frames == 8
    # A model resizes by itself what it is handed, to the same result.
    clips = torch.randn(1, 8, 3, 64, 64)
    torch.testing.assert_close(more.encode_pixels(clips), tiny.encode_pixels(clips))


@pytest.mark.parametrize("options", [{"frames": 0}, {"resolution": 0}, {"device": "gpu"}])
def test_impossible_options_are_refused(tiny: ViCLIP, options: dict[str, Any]) -> None:
    with pytest.raises(ConfigInvalidError):
        ViCLIP.from_pretrained(tiny.state_dict(), **options)


def test_a_pickled_module_is_refused_with_the_way_out(tiny: ViCLIP, tmp_path: Path) -> None:
    torch.save(tiny, tmp_path / "whole.pth")
    with pytest.raises(CheckpointFormatError, match=r"save model\.state_dict"):
        ViCLIP.from_pretrained(tmp_path / "whole.pth")


def test_interpolated_time_keeps_a_straight_line() -> None:
    line = torch.linspace(0, 1, 4)[None, :, None]
    inner = resize_temporal(line, 8)[0, 1:-1, 0].diff()
    torch.testing.assert_close(inner, inner[:1].expand_as(inner))


def test_other_resolutions_resize_space(tiny: ViCLIP) -> None:
    wide = ViCLIP.from_pretrained(tiny.state_dict(), resolution=96)
    table = wide.vision_encoder.positional_embedding
    assert table.shape == (37, tiny.config.vision_width)
    assert torch.equal(table[0], tiny.vision_encoder.positional_embedding[0])
    clips = torch.randn(1, 4, 3, 96, 96)
    torch.testing.assert_close(wide.encode_pixels(clips), tiny.encode_pixels(clips))
    with pytest.raises(ConfigInvalidError, match="multiple"):
        ViCLIP.from_pretrained(tiny.state_dict(), resolution=100)


def test_resized_space_keeps_rows_and_columns_apart() -> None:
    rows = torch.arange(4.0)[:, None].expand(4, 4)
    table = torch.cat([torch.full((1, 1), 9.0), rows.reshape(16, 1)])
    resized = resize_spatial(table, 8, 6)
    assert resized[0, 0] == 9
    plane = resized[1:].reshape(8, 6)
    assert bool((plane.diff(dim=0) > 0).all())
    assert bool((plane.diff(dim=1).abs() < 1e-5).all())


def test_misfits_are_named(tiny: ViCLIP) -> None:
    state = dict(tiny.state_dict())
    for at in range(2):
        del state[f"vision_encoder.transformer.resblocks.{at}.ln_1.weight"]
    state["text_encoder.extra"] = torch.ones(1)
    state["vision_encoder.ln_pre.bias"] = torch.ones(3)
    with pytest.raises(CheckpointMismatchError) as caught:
        ViCLIP.from_pretrained(state)
    message = str(caught.value)
    assert "2 missing: vision_encoder.transformer.resblocks.0.ln_1.weight" in message
    assert "1 unexpected: text_encoder.extra" in message
    assert "1 misshapen: vision_encoder.ln_pre.bias [3] instead of [128]" in message
    many = {key: value for key, value in tiny.state_dict().items() if "ln_" not in key}
    with pytest.raises(CheckpointMismatchError, match=r"\d\d missing: .*, \.\.\."):
        ViCLIP.from_pretrained(many)


@pytest.mark.parametrize(
    "state", [{}, {"layer.weight": torch.ones(2)}, {"vision_encoder.proj": torch.ones(2, 2)}]
)
def test_other_networks_are_refused(state: dict[str, torch.Tensor], tmp_path: Path) -> None:
    with pytest.raises(CheckpointMismatchError):
        ViCLIP.from_pretrained(state)
    save_file(state, tmp_path / "x.safetensors")
    with pytest.raises(CheckpointMismatchError):
        ViCLIP.from_pretrained(tmp_path / "x.safetensors")


def test_damaged_safetensors_say_so(tiny: ViCLIP, tmp_path: Path) -> None:
    tiny.save_pretrained(tmp_path / "saved")
    path = tmp_path / "saved" / "model.safetensors"
    data = path.read_bytes()
    for size in (0, 5, 100, len(data) - 1):
        path.write_bytes(data[:size])
        with pytest.raises(CheckpointFormatError, match=r"truncated|empty"):
            ViCLIP.from_pretrained(tmp_path / "saved")
    (tmp_path / "saved" / "config.json").write_text("{")
    path.write_bytes(data)
    with pytest.raises(CheckpointFormatError, match="JSON"):
        ViCLIP.from_pretrained(tmp_path / "saved")
    (tmp_path / "saved" / "config.json").write_text("[]")
    with pytest.raises(CheckpointFormatError, match="holds no object"):
        ViCLIP.from_pretrained(tmp_path / "saved")


def test_sources_that_do_not_exist_say_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(SourceMissingError, match="there is no checkpoint"):
        ViCLIP.from_pretrained(tmp_path / "nothing.pth")
    with pytest.raises(SourceMissingError, match="hf download OpenGVLab/ViCLIP-L-14-hf"):
        ViCLIP.from_pretrained("OpenGVLab/ViCLIP-L-14-hf")
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceMissingError, match="no weights"):
        ViCLIP.from_pretrained(tmp_path / "empty")
    for name in ("a.pth", "b.pth"):
        (tmp_path / "empty" / name).touch()
    with pytest.raises(SourceMissingError, match=r"a\.pth, b\.pth"):
        ViCLIP.from_pretrained(tmp_path / "empty")


def test_a_failed_download_is_told_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)

    class Library:
        @staticmethod
        def snapshot_download(repository: str, *, allow_patterns: list[str]) -> str:
            assert not any(pattern.endswith(".py") for pattern in allow_patterns)
            raise OSError("no route to host\nmore")

    monkeypatch.setattr(hub.importlib, "import_module", lambda _name: Library)
    with pytest.raises(SourceMissingError, match="OSError: no route to host\nhint"):
        ViCLIP.from_pretrained("OpenGVLab/ViCLIP-B-16-hf")


def test_a_cached_snapshot_is_found(
    tiny: ViCLIP, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "cache" / "models--OpenGVLab--ViCLIP-B-16-hf"
    for commit in ("aaa", "bbb"):
        tiny.save_pretrained(root / "snapshots" / commit)
    (root / "refs").mkdir()
    (root / "refs" / "main").write_text("bbb\n")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    found = ViCLIP.from_pretrained("OpenGVLab/ViCLIP-B-16-hf")
    assert found.merges_folder == root / "snapshots" / "bbb"


def test_other_folders_are_not_overwritten(tiny: ViCLIP, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "clip"}')
    with pytest.raises(OutputExistsError):
        tiny.save_pretrained(tmp_path)
    with pytest.raises(OutputExistsError):
        tiny.save_pretrained(tmp_path / "config.json")
    with pytest.raises(StorageError):
        tiny.save_pretrained("/proc/nothing/here")


def test_merges_of_another_model_are_refused(tiny: ViCLIP, tmp_path: Path) -> None:
    model = ViCLIP.from_pretrained(tiny.state_dict())
    assert model.tokenizer
    model.save_pretrained(tmp_path / "saved")
    merges = tmp_path / "saved" / "merges.txt"
    lines = merges.read_text("utf-8").split("\n")
    merges.write_text("\n".join([lines[0], lines[2], lines[1], *lines[3:]]), "utf-8")
    with pytest.raises(CheckpointMismatchError, match="fingerprint"):
        _ = ViCLIP.from_pretrained(tmp_path / "saved").tokenizer


def test_without_torch_the_extra_is_named() -> None:
    import subprocess
    import sys

    script = (
        "import sys\n"
        "sys.modules['torch'] = None\n"
        "import internvid\n"
        "try:\n    from internvid import ViCLIP\n"
        "except internvid.InternvidError as error:\n    print(type(error).__name__, error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith(DependencyMissingError.__name__)
    assert 'pip install "internvid[torch]"' in done.stdout
