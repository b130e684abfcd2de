"""An export that was killed goes on to the same bytes, whatever the plan of its cut."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import internvid
from internvid.cli.app import main
from internvid.core.assignments import with_values
from internvid.dataset.store import Dataset
from internvid.publishing.exporters.folder import FolderExporter
from internvid.publishing.publish import publish
from internvid.publishing.shards import NOTES
from tests.trees import digest_tree

SETTINGS = {
    "lossless": ("cut.lossless=true", "cut.size="),
    "sizes": ("cut.size=64x48,48x64,48x48", "cut.sound=16000/1", "cut.fps=16", "cut.crop=bars"),
}


@pytest.fixture(scope="module")
def few(dataset: Dataset) -> str:
    """A subset of some clips of more than one source."""
    internvid.select(dataset, "random", "few-to-resume", 6, seed=5)
    return "few-to-resume"


@pytest.mark.parametrize("name", SETTINGS)
def test_a_killed_export_ends_with_the_bytes_of_a_whole_one(
    name: str, dataset: Dataset, few: str, tmp_path: Path
) -> None:
    """Clips after the kill begin at a key frame again, where others were read on to."""
    words = ["publish", str(dataset.root), str(tmp_path / "parts"), "--exporter", "folder"]
    words += ["--subset", few]
    words += [word for setting in SETTINGS[name] for word in ("--set", setting)]
    process = subprocess.Popen(
        [sys.executable, "-m", "internvid", *words],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    notes = tmp_path / "parts" / NOTES / "clips"
    while process.poll() is None and len(list(notes.glob("*/*.json"))) < 3:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "parts" / "manifest.json").exists()
    assert len(list(notes.glob("*/*.json"))) >= 3
    assert main(words) == 0
    manifest = publish(
        dataset, tmp_path / "whole", with_values(FolderExporter(), SETTINGS[name]), few
    )
    assert manifest["windows"] >= 5
    assert digest_tree(tmp_path / "parts") == digest_tree(tmp_path / "whole")
