"""Loading models by name: what is found, what is refused and in which words."""

from __future__ import annotations

import importlib.util
import json
import shutil
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
import torch

from internvid.core.errors import (
    ConfigInvalidError,
    DependencyMissingError,
    WeightsMissingError,
)
from internvid.models.pretrained import (
    DUAL_ENCODER,
    IMAGE_CLASSIFIER,
    IMAGE_TO_TEXT,
    SPEECH,
    TEXT_TO_TEXT,
    Checkpoint,
    load,
    loaded_models,
    release,
    separate_models,
)
from tests.models.tiny import TinyModels


@pytest.fixture(autouse=True)
def unloaded() -> Iterator[None]:
    yield
    release()


@pytest.fixture
def copied(tiny_models: TinyModels, tmp_path: Path) -> Path:
    """A T5 to damage."""
    return Path(shutil.copytree(tiny_models["t5"], tmp_path / "t5"))


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("blip2", IMAGE_TO_TEXT),
        ("qwen_vl", IMAGE_TO_TEXT),
        ("vit_gpt2", IMAGE_TO_TEXT),
        ("t5", TEXT_TO_TEXT),
        ("chat", TEXT_TO_TEXT),
        ("clip", DUAL_ENCODER),
        ("siglip", DUAL_ENCODER),
        ("classifier", IMAGE_CLASSIFIER),
        ("whisper", SPEECH),
    ],
)
def test_every_kind_loads_ready_to_run(name: str, kind: Any, tiny_models: TinyModels) -> None:
    loaded = load(Checkpoint(tiny_models[name], device="cpu"), kind)
    assert not loaded.model.training
    assert {parameter.dtype for parameter in loaded.model.parameters()} == {torch.float32}
    assert not any(parameter.requires_grad for parameter in loaded.model.parameters())


def test_a_model_is_loaded_once_whoever_names_it(tiny_models: TinyModels, tmp_path: Path) -> None:
    first = load(Checkpoint(tiny_models["t5"]), TEXT_TO_TEXT)
    assert load(Checkpoint(tiny_models["t5"] + "/"), TEXT_TO_TEXT) is first
    moved = shutil.copytree(tiny_models["t5"], tmp_path / "elsewhere")
    assert load(Checkpoint(str(moved)), TEXT_TO_TEXT) is first
    half = load(Checkpoint(tiny_models["t5"], dtype="bfloat16"), TEXT_TO_TEXT)
    assert half is not first
    assert half.model.dtype == torch.bfloat16


def test_models_of_a_separate_block_are_its_own(tiny_models: TinyModels) -> None:
    checkpoint = Checkpoint(tiny_models["t5"])
    first = load(checkpoint, TEXT_TO_TEXT)
    with separate_models() as models:
        inner = load(checkpoint, TEXT_TO_TEXT)
        assert inner is not first
        assert load(checkpoint, TEXT_TO_TEXT) is inner
        with ThreadPoolExecutor(1) as pool:
            work = pool.submit(copy_context().run, load, checkpoint, TEXT_TO_TEXT)
            assert work.result() is inner, "a thread in a copy of the context has the same models"
            assert pool.submit(load, checkpoint, TEXT_TO_TEXT).result() is first
        assert len(models) == 1
    assert load(checkpoint, TEXT_TO_TEXT) is first
    assert len(loaded_models()) == 1


def test_threads_that_ask_at_once_get_one_model(tiny_models: TinyModels) -> None:
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(load, Checkpoint(tiny_models["git"]), IMAGE_TO_TEXT) for _ in range(8)]
    assert len({id(each.result()) for each in asked}) == 1


def test_a_hub_name_is_found_in_the_cache(
    tiny_models: TinyModels, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    snapshot = tmp_path / "models--org--summary" / "snapshots" / "abc"
    shutil.copytree(tiny_models["t5"], snapshot)
    (tmp_path / "models--org--summary" / "refs").mkdir()
    (tmp_path / "models--org--summary" / "refs" / "main").write_text("abc")
    assert load(Checkpoint("org/summary"), TEXT_TO_TEXT).folder == snapshot


def test_missing_weights_say_what_to_download(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(WeightsMissingError, match=r"org/model.*\n.*hf download org/model"):
        load(Checkpoint("org/model"), TEXT_TO_TEXT)
    with pytest.raises(WeightsMissingError, match="no model at 'nowhere'"):
        load(Checkpoint("nowhere"), TEXT_TO_TEXT)


def test_downloads_happen_only_when_allowed(
    tiny_models: TinyModels, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    asked: list[dict[str, Any]] = []

    def snapshot_download(repository: str, **options: Any) -> str:
        asked.append({"repository": repository, **options})
        return tiny_models["t5"]

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    with pytest.raises(WeightsMissingError):
        load(Checkpoint("org/model@v2"), TEXT_TO_TEXT)
    assert asked == []
    load(Checkpoint("org/model@v2", download=True), TEXT_TO_TEXT)
    assert (asked[0]["repository"], asked[0]["revision"]) == ("org/model", "v2")
    assert "*.safetensors" in asked[0]["allow_patterns"]
    assert "*.py" not in asked[0]["allow_patterns"]
    assert "*.bin" not in asked[0]["allow_patterns"]


def test_a_download_without_network_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))

    def snapshot_download(repository: str, **_: Any) -> str:
        raise ConnectionError("no route to host\nmore")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    with pytest.raises(WeightsMissingError, match="cannot be downloaded: no route to host"):
        load(Checkpoint("org/model", download=True), TEXT_TO_TEXT)


def test_a_model_of_another_kind_is_named(tiny_models: TinyModels) -> None:
    with pytest.raises(ConfigInvalidError, match=r"CLIPModel \(model type 'clip'\); wanted is a"):
        load(Checkpoint(tiny_models["clip"]), IMAGE_TO_TEXT)
    with pytest.raises(ConfigInvalidError, match=r"T5ForConditionalGeneration.*CLIP, SigLIP"):
        load(Checkpoint(tiny_models["t5"]), DUAL_ENCODER)


def test_folders_that_hold_no_whole_model_are_refused(copied: Path) -> None:
    (copied / "model.safetensors").rename(copied / "kept")
    with pytest.raises(WeightsMissingError, match=r"config\.json but no weights"):
        load(Checkpoint(str(copied)), TEXT_TO_TEXT)
    (copied / "model.safetensors").write_bytes((copied / "kept").read_bytes()[:2000])
    with pytest.raises(WeightsMissingError, match="cannot be loaded"):
        load(Checkpoint(str(copied)), TEXT_TO_TEXT)
    (copied / "model.safetensors").write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(WeightsMissingError, match="cannot be loaded"):
        load(Checkpoint(str(copied)), TEXT_TO_TEXT)
    (copied / "config.json").write_text("{not json")
    with pytest.raises(WeightsMissingError, match="cannot be loaded"):
        load(Checkpoint(str(copied)), TEXT_TO_TEXT)
    (copied / "config.json").unlink()
    with pytest.raises(WeightsMissingError, match=r"no config\.json"):
        load(Checkpoint(str(copied)), TEXT_TO_TEXT)
    (copied / "model").mkdir()
    (copied / "model" / "config.json").write_text("{}")
    with pytest.raises(WeightsMissingError, match="a training run keeps its model in"):
        load(Checkpoint(str(copied)), TEXT_TO_TEXT)


def test_a_gguf_file_is_a_language_model_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reading itself is tested with real weights (make weights)."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    one = tmp_path / "model.gguf"
    one.write_bytes(b"GGUF")
    for name in (one, tmp_path):
        with pytest.raises(ConfigInvalidError, match="holds a language model alone; wanted is a"):
            load(Checkpoint(str(name)), IMAGE_TO_TEXT)
        with pytest.raises(DependencyMissingError, match=r"(?s)package gguf.*internvid\[gguf\]"):
            load(Checkpoint(str(name)), TEXT_TO_TEXT)
    (tmp_path / "other.gguf").touch()
    with pytest.raises(WeightsMissingError, match=r"(?s)model\.gguf, other\.gguf.*name one"):
        load(Checkpoint(str(tmp_path)), TEXT_TO_TEXT)
    (tmp_path / "notes.txt").touch()
    with pytest.raises(WeightsMissingError, match=r"(?s)is a file, and no GGUF.*folder"):
        load(Checkpoint(str(tmp_path / "notes.txt")), TEXT_TO_TEXT)


def test_weights_that_leave_the_network_half_random_are_refused(copied: Path) -> None:
    from safetensors.torch import load_file, save_file

    tensors = load_file(copied / "model.safetensors")
    name = next(name for name in tensors if "decoder" in name and "wo" in name)
    del tensors[name]
    save_file(tensors, copied / "model.safetensors", {"format": "pt"})
    with pytest.raises(WeightsMissingError, match=r"lacks weights.*1 tensors"):
        load(Checkpoint(str(copied)), TEXT_TO_TEXT)


def test_pickles_are_read_without_running_what_is_in_them(copied: Path) -> None:
    from safetensors.torch import load_file

    tensors = load_file(copied / "model.safetensors")
    (copied / "model.safetensors").unlink()
    torch.save(tensors, copied / "pytorch_model.bin")
    load(Checkpoint(str(copied)), TEXT_TO_TEXT)
    release()
    torch.save({**tensors, "evil": Mine(str(copied / "ran"))}, copied / "pytorch_model.bin")
    with pytest.raises(WeightsMissingError, match="cannot be loaded"):
        load(Checkpoint(str(copied)), TEXT_TO_TEXT)
    assert not (copied / "ran").exists()


class Mine:
    """Writes a file when it is unpickled."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (open, (self.path, "w"))


def test_code_that_comes_with_a_model_is_not_run(copied: Path) -> None:
    settings = json.loads((copied / "config.json").read_text())
    settings["model_type"] = "mine"
    settings["auto_map"] = {"AutoConfig": "mine.Config", "AutoModelForCausalLM": "mine.Model"}
    (copied / "config.json").write_text(json.dumps(settings))
    (copied / "mine.py").write_text(f"open({str(copied / 'ran')!r}, 'w')")
    with pytest.raises(ConfigInvalidError, match=r"(?s)not run by default.*trust_remote_code=true"):
        load(Checkpoint(str(copied)), TEXT_TO_TEXT)
    assert not (copied / "ran").exists()


def test_without_transformers_the_extra_is_named(
    tiny_models: TinyModels, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(DependencyMissingError, match=r"internvid\[caption\]"):
        load(Checkpoint(tiny_models["t5"]), TEXT_TO_TEXT)


def test_importing_the_room_imports_nothing_heavy() -> None:
    import subprocess

    script = (
        "import sys; import internvid.models.image_to_text, internvid.models.text_to_text\n"
        "import internvid.captions.frame\n"
        "print(sorted({'torch', 'transformers', 'httpcore2'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_devices_and_dtypes_that_are_not_here_are_refused(tiny_models: TinyModels) -> None:
    with pytest.raises(ConfigInvalidError, match="device"):
        load(Checkpoint(tiny_models["t5"], device="abacus"), TEXT_TO_TEXT)
    with pytest.raises(ConfigInvalidError, match="dtype"):
        load(Checkpoint(tiny_models["t5"], dtype="int3"), TEXT_TO_TEXT)
    assert len(loaded_models()) == 0
