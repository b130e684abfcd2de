"""Clips are taken back from every layout: what is left equals an export that never had them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import internvid
from internvid.core import registry
from internvid.core.contracts import Exporter
from internvid.core.errors import DatasetFormatError
from internvid.dataset.releases.index_rows import without_rows
from internvid.dataset.store import Dataset
from internvid.publishing.cut_exporter import CutExporter
from internvid.publishing.exporters.chat_lists import ChatExporter
from internvid.publishing.exporters.open_sora import OpenSoraExporter
from internvid.publishing.index_files import writing_rows
from internvid.publishing.publish import publish
from internvid.video.cutting.cut_plan import CutPlan
from tests.publishing.every_form import SHARED, EveryFormExporter
from tests.publishing.lance_process import publish_lance, read_lance, run_command
from tests.removal.bytes import traces
from tests.trees import digest_tree

# Clips of less than two seconds are dropped, longer ones have several windows.
SLIDE = CutPlan(fps=8, frames="17", windows="slide", size="64x48", sound="none")


@pytest.fixture
def own(dataset: Dataset, tmp_path: Path) -> Dataset:
    """A copy of the dataset of the world, of its own; what others published is no copy of it."""
    shutil.copytree(dataset.root, tmp_path / "own", ignore=shutil.ignore_patterns("exports"))
    return internvid.open(tmp_path / "own")


# Published anew: nothing in it names a clip.
PUBLISHED_ANEW = ("internvid",)


def exporters() -> list[Exporter]:
    """Each from which clips can be taken, and one of tests."""
    kinds = [
        registry.find("exporter", name)
        for name in registry.names("exporter")
        if name not in (*PUBLISHED_ANEW, "lance")
    ]
    return [
        *(
            kind(cut=SLIDE) if issubclass(kind, CutExporter) else kind()
            for kind in [*kinds, EveryFormExporter]
        ),
        # Paths as they are for a trainer that runs elsewhere.
        OpenSoraExporter(cut=SLIDE, base_path="/data/set one", tokens=20),
        ChatExporter(cut=SLIDE, base_path="set/"),
    ]


def manifest_of(folder: Path) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((folder / "manifest.json").read_text())
    return read


def of_release(manifest: dict[str, Any]) -> dict[str, Any]:
    """A manifest without what says which version of a release it is."""
    late = ("removed.parquet", *manifest.get("pages", []))
    rows = [row for row in manifest["checksums"] if row["file"] not in late]
    left = {name: value for name, value in manifest.items() if name != "manifest_sha256"}
    return {**left, "version": 1, "checksums": rows}


def names_in(dataset: Dataset, video_id: str) -> list[str]:
    """All by which a reader could know a video: ids, captions, the name of its file."""
    rows = [row for row in dataset.clips().to_pylist() if row["video_id"] == video_id]
    (uri,) = {row["uri"] for row in dataset.videos().to_pylist() if row["video_id"] == video_id}
    texts = {row["measured"] for row in rows}
    others = {row["measured"] for row in dataset.clips().to_pylist() if row["video_id"] != video_id}
    return [video_id, Path(uri).name, *(row["clip_id"] for row in rows), *(texts - others)]


@pytest.mark.parametrize("exporter", exporters(), ids=lambda each: type(each).__name__)
def test_what_is_left_is_what_a_new_export_has(
    own: Dataset, tmp_path: Path, exporter: Exporter
) -> None:
    folder, fresh = tmp_path / "out", tmp_path / "fresh"
    before = publish(own, folder, exporter)
    video_id = own.clips().to_pylist()[3]["video_id"]
    names = names_in(own, video_id)
    assert any(needle in data for needle in names[2:] for data in texts_of(folder))
    done = internvid.remove(own, video_id)
    assert done.to_reissue == []
    own.refresh()
    publish(own, fresh, exporter)
    assert traces(folder, names) == []
    assert internvid.verify(folder, dataset=own).ok
    left = manifest_of(folder)
    assert left["version"] == 2
    assert left["clips"] < before["clips"]
    if "samples" in left:
        pages = ("manifest.json", "removed.parquet", *left.get("pages", []))
        one, other = (
            {name: each for name, each in digest_tree(each).items() if name not in pages}
            for each in (folder, fresh)
        )
        assert one == other
        assert of_release(left) == of_release(manifest_of(fresh))
        if isinstance(exporter, CutExporter):
            assert len(before["dropped_clips"]) > len(left["dropped_clips"]) > 0
            assert left["dropped"] == {"too_short_for_grid": len(left["dropped_clips"])}


@pytest.mark.slow
def test_rows_are_taken_out_of_lance_with_their_bytes(own: Dataset, tmp_path: Path) -> None:
    """Names of its files are random: rows and their videos are compared, and what is on disk."""
    folder, fresh = tmp_path / "out", tmp_path / "fresh"
    settings = ("cut.fps=8", "cut.frames=17", "cut.windows=slide", "cut.size=64x48")
    before = publish_lance(own.root, folder, *settings)
    video_id = own.clips().to_pylist()[3]["video_id"]
    names = names_in(own, video_id)
    run_command("remove", str(own.root), "--video", video_id)
    own.refresh()
    publish_lance(own.root, fresh, *settings)
    assert traces(folder, names) == []
    assert internvid.verify(folder, dataset=own).ok
    left = manifest_of(folder)
    assert left["version"] == 2
    assert left["clips"] < before["clips"]
    assert 0 < len(left["dropped_clips"]) < len(before["dropped_clips"])
    one, other = read_lance(folder), read_lance(fresh)
    assert one["rows"] == other["rows"]
    assert one["versions"] == 1
    size, whole = (
        sum(path.stat().st_size for path in (each / "clips.lance").rglob("*") if path.is_file())
        for each in (folder, fresh)
    )
    assert size < 1.1 * whole


@pytest.mark.parametrize("name", PUBLISHED_ANEW)
def test_what_cannot_be_taken_back_is_named(own: Dataset, tmp_path: Path, name: str) -> None:
    folder = tmp_path / "out"
    internvid.publish(own, folder, exporter=name)
    before = digest_tree(folder)
    done = internvid.remove(own, own.clips().to_pylist()[3]["video_id"])
    assert [each["path"] for each in done.to_reissue] == [str(folder)]
    assert digest_tree(folder) == before


def texts_of(folder: Path) -> list[str]:
    return [
        path.read_bytes().decode("utf-8", "replace") for path in folder.rglob("*") if path.is_file()
    ]


def test_pages_are_made_again_and_shared_files_stay(own: Dataset, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    before = publish(own, folder, EveryFormExporter(cut=SLIDE))
    first, second = (each["clip_id"] for each in before["samples"][-2:])
    internvid.select(own, "where", "some", f"clip_id <> '{first}'")
    internvid.select(own, "where", "fewer", f"clip_id not in ('{first}', '{second}')")
    for name in ("some", "fewer"):
        take_subset(own, folder, name)
        done = internvid.reissue(own, folder)
        page = (folder / "README.md").read_text()
        left = manifest_of(folder)
        assert page.startswith(f"{left['clips']} clips, {left['windows']} rows, {left['hours']} h")
        assert first not in page
        assert "README.md" in done["rewritten"]
        assert (folder / SHARED).exists() == (name == "some")
        assert (folder / "notes").exists() == (name == "some")
        assert internvid.verify(folder, dataset=own).ok
        assert done["before"]["clips"] - done["after"]["clips"] == 1
        assert left["pages"] == ["README.md"]
    assert (folder / "fixed.json").exists()


def take_subset(dataset: Dataset, folder: Path, subset: str) -> None:
    """Let an export be one of a subset: as if that had lost clips since."""
    from internvid.dataset.parts import commit_bytes
    from internvid.dataset.releases.checksums import sealed
    from internvid.dataset.removal.copies import copy_at, digest_of_json, note_copy

    manifest, data = sealed({**manifest_of(folder), "subset": subset})
    commit_bytes(folder / "manifest.json", data)
    copy: Any = copy_at(dataset.layout, folder)
    note_copy(dataset.layout, {**copy, "subset": subset, "manifests": [digest_of_json(manifest)]})
    dataset.refresh()


# Rows of indexes

TEXTS = ["plain", 'quo"ted', "com,ma", "two\nlines", "", "\u00e9\u2028\r x", "]", "}"] * 3
ROWS = [{"name": f"{at:03d}.mp4", "text": text, "number": at / 7} for at, text in enumerate(TEXTS)]
SCHEMA = pa.schema([("name", pa.string()), ("text", pa.string()), ("number", pa.float64())])


@pytest.mark.parametrize("form", ["json", "jsonl", "csv", "parquet"])
@pytest.mark.parametrize("kept", [range(24), range(0), range(23), range(1, 24), range(0, 24, 3)])
def test_rows_that_stay_are_as_if_the_others_had_never_been(
    tmp_path: Path, form: Any, kept: range
) -> None:
    for name, rows in (("all", ROWS), ("few", [ROWS[at] for at in kept])):
        with writing_rows(tmp_path / name, form, SCHEMA) as put:
            for row in rows:
                put(row)
    left = {f"{at:03d}.mp4" for at in kept}
    without_rows(tmp_path / "all", form, "name", lambda path: path not in left)
    assert (tmp_path / "all").read_bytes() == (tmp_path / "few").read_bytes()


def test_row_groups_of_parquet_are_as_they_would_be(tmp_path: Path) -> None:
    rows = [{"name": f"{at}.mp4", "text": "x" * (at % 9), "number": at / 7} for at in range(20_000)]
    for name, some in (("all", rows), ("few", [row for at, row in enumerate(rows) if at % 3])):
        with writing_rows(tmp_path / name, "parquet", SCHEMA) as put:
            for row in some:
                put(row)
    without_rows(tmp_path / "all", "parquet", "name", lambda name: not int(name[:-4]) % 3)
    assert (tmp_path / "all").read_bytes() == (tmp_path / "few").read_bytes()


@pytest.mark.parametrize(
    ("form", "text", "why"),
    [
        ("json", '[{"name": "a"}]', "does not have a row in each line"),
        ("json", '[\n{"name": "a"}\n', "cut short"),
        ("json", '[\n{"name": "a"},\n{"na\n]\n', "no JSON"),
        ("json", '[\n{"name": "a"}\n]\n[]', "behind its end"),
        ("json", "[\n7\n]\n", "no JSON object"),
        ("jsonl", "{", "no JSON"),
        ("csv", "id\n1\n", "no column 'name'"),
        ("csv", "name,b\n1\n", "1 cells, the header has 2"),
        ("parquet", "PAR1", "is damaged"),
    ],
)
def test_a_damaged_index_is_refused_and_stays(
    tmp_path: Path, form: Any, text: str, why: str
) -> None:
    path = tmp_path / "index"
    path.write_text(text)
    with pytest.raises(DatasetFormatError, match=why):
        without_rows(path, form, "name", lambda path: True)
    assert path.read_text() == text


def test_a_layout_of_paths_as_keys_loses_entries(tmp_path: Path) -> None:
    path = tmp_path / "captions.json"
    path.write_text('{\n"a.mp4": ["one"],\n"b.mp4": ["two"]\n}\n')
    without_rows(path, "json", "", lambda name: name == "b.mp4")
    assert path.read_text() == '{\n"a.mp4": ["one"]\n}\n'
    without_rows(path, "json", "", lambda name: name == "a.mp4")
    assert path.read_text() == "{}\n"
