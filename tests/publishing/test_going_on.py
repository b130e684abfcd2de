"""An export that was interrupted goes on, and ends the same to the byte."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import internvid
from internvid.cli.app import main
from internvid.core.contracts import Exporter
from internvid.core.errors import DatasetBusyError, MisuseError, OutputExistsError
from internvid.dataset.store import Dataset
from internvid.publishing import shards
from internvid.publishing.exporters.frames import FramesExporter
from internvid.publishing.exporters.webdataset import WebDatasetExporter
from internvid.publishing.publish import publish
from internvid.publishing.shards import NOTES
from internvid.video.cutting.cut_plan import CutPlan
from tests.trees import digest_tree

EXPORTERS = [
    WebDatasetExporter(clips_per_shard=2, cut=CutPlan(size="48")),
    FramesExporter(clips_per_shard=2, frames=4, short_side=48),
]


@pytest.mark.parametrize("exporter", EXPORTERS, ids=["webdataset", "frames"])
def test_shards_that_are_there_are_not_written_again(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exporter: Exporter
) -> None:
    whole = publish(dataset, tmp_path / "whole", exporter)
    written: list[str] = []
    write = shards._write

    def third_fails(path: Path, *rest: object) -> dict[str, object]:
        written.append(path.name)
        if len(written) == 3:
            raise KeyboardInterrupt
        return write(path, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(shards, "_write", third_fails)
    with pytest.raises(KeyboardInterrupt):
        publish(dataset, tmp_path / "parts", exporter)
    assert publish(dataset, tmp_path / "parts", exporter) == whole
    names = [f"shard-{at:06d}.tar" for at in range(len(list((tmp_path / "whole").glob("*.tar"))))]
    assert len(names) > 2
    assert written == [*names[:3], *names[2:]]
    assert digest_tree(tmp_path / "parts") == digest_tree(tmp_path / "whole")


def test_a_killed_export_goes_on(dataset: Dataset, tmp_path: Path) -> None:
    words = ["publish", str(dataset.root), str(tmp_path / "parts"), "--set", "clips_per_shard=1"]
    command = [sys.executable, "-m", "internvid", *words]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    first = tmp_path / "parts" / NOTES / "shard-000000.tar.json"
    while process.poll() is None and not first.exists():
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "parts" / "manifest.json").exists()
    kept = (tmp_path / "parts" / "shard-000000.tar").stat().st_mtime_ns
    assert main(words) == 0
    assert (tmp_path / "parts" / "shard-000000.tar").stat().st_mtime_ns == kept
    publish(dataset, tmp_path / "whole", WebDatasetExporter(clips_per_shard=1))
    assert digest_tree(tmp_path / "parts") == digest_tree(tmp_path / "whole")


def unfinished(dataset: Dataset, folder: Path) -> dict[str, object]:
    """An export that only lacks its last steps."""
    manifest = publish(dataset, folder, EXPORTERS[0])
    notes = folder / NOTES
    notes.mkdir()
    asked = {name: manifest[name] for name in ("exporter", "cut", "subset", "keep_paths")}
    (notes / "asked.json").write_text(json.dumps(asked))
    return manifest


def test_another_export_is_not_mixed_in(dataset: Dataset, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    unfinished(dataset, folder)
    (folder / "manifest.json").unlink()
    before = digest_tree(folder)
    with pytest.raises(OutputExistsError, match="unfinished export of other"):
        publish(dataset, folder, WebDatasetExporter(clips_per_shard=3))
    assert digest_tree(folder) == before
    publish(dataset, folder, EXPORTERS[0])
    assert not (folder / NOTES).exists()


def test_a_finished_export_is_refused(dataset: Dataset, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    unfinished(dataset, folder)
    before = digest_tree(folder)
    with pytest.raises(OutputExistsError, match="finished export"):
        publish(dataset, folder, EXPORTERS[0])
    assert digest_tree(folder) == before


def test_what_cannot_be_asked_for_leaves_no_trace(dataset: Dataset, tmp_path: Path) -> None:
    with pytest.raises(MisuseError, match="no subset"):
        publish(dataset, tmp_path / "out", EXPORTERS[0], subset="misspelt")
    assert not (tmp_path / "out").exists()


def test_two_exports_into_one_folder_are_refused(dataset: Dataset, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    busy: list[Exception] = []

    def second(done: int, _: int) -> None:
        if done == 1:
            with pytest.raises(DatasetBusyError) as caught:
                publish(internvid.open(dataset.root), folder, EXPORTERS[0])
            busy.append(caught.value)

    publish(dataset, folder, EXPORTERS[0], progress=second)
    publish(dataset, tmp_path / "whole", EXPORTERS[0])
    assert len(busy) == 1
    assert digest_tree(folder) == digest_tree(tmp_path / "whole")


def test_one_killed_before_its_first_word_goes_on(dataset: Dataset, tmp_path: Path) -> None:
    (tmp_path / "out" / NOTES).mkdir(parents=True)
    (tmp_path / "out" / NOTES / "asked.json.1.writing").write_text("{")
    manifest = publish(dataset, tmp_path / "out", EXPORTERS[0])
    assert manifest["clips"] > 0


def test_notes_of_other_rows_do_not_count(dataset: Dataset, tmp_path: Path) -> None:
    """A caption that has changed since is written, a damaged note is as none."""
    folder = tmp_path / "out"
    whole = publish(dataset, tmp_path / "whole", EXPORTERS[0])
    unfinished(dataset, folder)
    (folder / "manifest.json").unlink()
    for name, text in (("shard-000000.tar", "{"), ("shard-000001.tar", '{"key": "other"}')):
        (folder / NOTES / f"{name}.json").write_text(text)
        (folder / name).write_bytes(b"old")
    assert publish(dataset, folder, EXPORTERS[0]) == whole
    assert digest_tree(folder) == digest_tree(tmp_path / "whole")


def test_it_tells_how_far_it_is(dataset: Dataset, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    manifest = publish(
        dataset, tmp_path / "out", EXPORTERS[0], progress=lambda *state: told.append(state)
    )
    total = manifest["clips"]
    assert told == [(done, total) for done in range(total + 1)]
