"""A release is proved file by file, and its clips can be taken back."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

import internvid
from internvid.cli.app import main
from internvid.core.contracts import Exporter
from internvid.core.errors import DatasetFormatError, MisuseError, SourceMissingError
from internvid.dataset.frame_shards import FrameShards
from internvid.dataset.store import Dataset
from internvid.publishing.exporters.folder import FolderExporter
from internvid.publishing.exporters.frames import FramesExporter
from internvid.publishing.exporters.json_list import JsonListExporter
from internvid.publishing.exporters.webdataset import WebDatasetExporter
from internvid.publishing.publish import publish
from internvid.synthetic.fakes import ListExporter
from internvid.video.cutting.cut_plan import CutPlan
from tests.cli.speaking import Capture, read_json
from tests.dying import die_before
from tests.publishing.test_webdataset import read_shards
from tests.trees import digest_tree

EXPORTERS = [
    WebDatasetExporter(clips_per_shard=2, cut=CutPlan(size="48")),
    FramesExporter(clips_per_shard=2, frames=4, short_side=48),
]
NAMES = ["webdataset", "frames"]
SMALL = CutPlan(fps=8, frames="4k+1", windows="slide", maximum_frames=9, size="48", sound="none")
LISTED = [FolderExporter(cut=SMALL), JsonListExporter(cut=SMALL)]
EVERY = [*EXPORTERS, *LISTED]
EVERY_NAME = [*NAMES, "folder", "json-list"]


def manifest_of(folder: Path) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((folder / "manifest.json").read_text())
    return read


@pytest.fixture
def own(dataset: Dataset, tmp_path: Path) -> Dataset:
    """A copy of the dataset of the world, of its own; what others published is no copy of it."""
    shutil.copytree(dataset.root, tmp_path / "own", ignore=shutil.ignore_patterns("exports"))
    return internvid.open(tmp_path / "own")


@pytest.fixture(scope="module")
def whole(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An export that nobody changes."""
    folder = tmp_path_factory.mktemp("whole") / "out"
    publish(dataset, folder, EXPORTERS[0])
    return folder


@pytest.fixture
def copy(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "copy"))


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def test_a_manifest_proves_every_file(dataset: Dataset, whole: Path) -> None:
    manifest = manifest_of(whole)
    assert [row["file"] for row in manifest["checksums"]] == manifest["files"]
    for row in manifest["checksums"]:
        data = (whole / row["file"]).read_bytes()
        assert (row["bytes"], row["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())
    assert manifest["version"] == 1
    assert manifest["provenance"] == {"internvid": internvid.__version__, "recipe": None}
    assert internvid.verify(whole).ok
    assert internvid.verify(whole, dataset=dataset).ok


def test_one_wrong_file_of_each_sort_is_named(copy: Path, capsys: Capture) -> None:
    first, second, third = sorted(path.name for path in copy.glob("*.tar"))[:3]
    flip(copy / first, (copy / first).stat().st_size // 2)
    os.truncate(copy / second, 1000)
    (copy / third).unlink()
    (copy / "sub").mkdir()
    (copy / "sub" / "note.txt").write_text("mine")
    found = internvid.verify(copy)
    assert not found.ok
    assert found.changed == (first, second)
    assert (found.missing, found.foreign) == ((third,), ("sub/note.txt",))
    assert found.reasons[first] == "other bytes than were published"
    assert found.reasons[second].startswith("1000 bytes, where ")
    words = ["publish", "no-dataset", str(copy), "--verify"]
    assert main([*words, "--json"]) == 1
    assert json.loads(capsys.readouterr().out) == {
        "ok": False, "changed": [first, second], "missing": [third], "foreign": ["sub/note.txt"]
    }  # fmt: skip
    assert main(words) == 1
    said = capsys.readouterr().out
    assert f"missing  {third}: not there" in said
    assert "foreign  sub/note.txt" in said


@pytest.mark.parametrize("place", range(0, 100, 7))
def test_any_flipped_byte_of_a_manifest_is_found(copy: Path, place: int) -> None:
    path = copy / "manifest.json"
    flip(path, path.stat().st_size * place // 100)
    found = internvid.verify(copy)
    assert "manifest.json" in found.changed


def test_a_manifest_that_fits_its_files_is_compared_with_what_was_noted(
    own: Dataset, tmp_path: Path
) -> None:
    """Somebody who makes checksums anew is found out by the dataset."""
    from internvid.dataset.parts import commit_bytes
    from internvid.dataset.releases.checksums import checksums_of, sealed

    folder = tmp_path / "out"
    publish(own, folder, EXPORTERS[0])
    flip(folder / "shard-000000.tar", 5000)
    manifest = manifest_of(folder)
    manifest["checksums"] = checksums_of(folder, manifest["files"])
    commit_bytes(folder / "manifest.json", sealed(manifest)[1])
    assert internvid.verify(folder).ok
    assert internvid.verify(folder, dataset=own).changed == ("manifest.json",)


def test_what_is_no_release_is_told(copy: Path, tmp_path: Path) -> None:
    with pytest.raises(SourceMissingError, match="is no folder"):
        internvid.verify(tmp_path / "nowhere")
    (copy / "manifest.json").write_text("{}")
    with pytest.raises(DatasetFormatError, match="has no checksums"):
        internvid.verify(copy)
    (copy / "manifest.json").write_text('{"checksums": 3}')
    assert internvid.verify(copy).changed == ("manifest.json",)
    (copy / "manifest.json").unlink()
    assert internvid.verify(copy).missing == ("manifest.json",)


def test_options_of_another_request_are_refused(own: Dataset, copy: Path, capsys: Capture) -> None:
    words = ["publish", str(own.root), str(copy)]
    assert main([*words, "--verify", "--reissue"]) == 2
    assert main([*words, "--verify", "--subset", "x"]) == 2
    assert main([*words, "--reissue", "--plan"]) == 2
    assert main([*words, "--verify", "--preset", "wan"]) == 2
    assert "options of another request" in capsys.readouterr().err


# Taken back


def shrink(dataset: Dataset, name: str, clips: int) -> list[str]:
    """Take so many clips out of a subset, as another selection does; returns their ids."""
    from internvid.dataset.parts import commit_table, read_part

    path = dataset.layout.subset(name)
    table = read_part(path)
    at = table.num_rows // 2
    gone = [str(each) for each in table["clip_id"].to_pylist()[at : at + clips]]
    keeps = [each not in gone for each in table["clip_id"].to_pylist()]
    commit_table(path, table.filter(keeps))
    return gone


def held_by(folder: Path) -> set[str]:
    """Ids of the clips whose pictures lie in an export."""
    if (folder / "index.parquet").exists():
        return set(FrameShards(folder).rows()["clip_id"].to_pylist())
    names = [*read_shards(folder), *(path.name for path in folder.rglob("*.mp4"))]
    return {name.split(".")[0].split("_")[0] for name in names}


@pytest.mark.parametrize("exporter", EVERY, ids=EVERY_NAME)
def test_only_what_is_touched_is_written(
    own: Dataset, tmp_path: Path, exporter: Exporter, capsys: Capture
) -> None:
    internvid.select(own, "where", "some", "duration_seconds > 0")
    folder = tmp_path / "out"
    publish(own, folder, exporter, "some")
    before = digest_tree(folder)
    same = internvid.reissue(own, folder)
    assert same == {"version": 1, "removed_clips": 0, "rewritten": [], "unchanged": len(before),
                    "deleted": [], "before": same["before"], "after": same["before"]}  # fmt: skip
    assert digest_tree(folder) == before
    (gone,) = shrink(own, "some", 1)
    done = read_json(capsys, "publish", str(own.root), str(folder), "--reissue")
    after = digest_tree(folder)
    assert (done["version"], done["removed_clips"]) == (2, 1)
    assert done["rewritten"] == sorted(n for n, d in after.items() if before.get(n) != d)
    assert done["deleted"] == sorted(before.keys() - after.keys())
    assert done["unchanged"] == len([n for n, d in after.items() if before.get(n) == d]) > 0
    if exporter in EXPORTERS:
        assert len([name for name in done["rewritten"] if name.endswith(".tar")]) == 1
    else:
        assert {Path(name).name.split(".")[0].split("_")[0] for name in done["deleted"]} == {gone}
    manifest = manifest_of(folder)
    assert (manifest["version"], manifest["clips"]) == (2, len(own) - 1)
    assert internvid.verify(folder, dataset=own).ok
    assert held_by(folder) == set(own.clips("some")["clip_id"].to_pylist())
    rows = pq.read_table(folder / "removed.parquet").to_pylist()
    digest = hashlib.sha256(f"clip_id\n{gone}".encode()).hexdigest()
    assert rows == [{"kind": "clip_id", "sha256": digest, "version": 2}]
    internvid.reissue(own, folder)
    assert digest_tree(folder) == after
    shrink(own, "some", 1)
    assert internvid.reissue(own, folder)["version"] == 3
    assert [row["version"] for row in pq.read_table(folder / "removed.parquet").to_pylist()] == [
        2, 3
    ]  # fmt: skip


@pytest.mark.parametrize("exporter", EVERY, ids=EVERY_NAME)
def test_a_removal_reaches_the_folder_and_a_copy_of_it(
    own: Dataset, tmp_path: Path, exporter: Exporter
) -> None:
    folder, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    publish(own, folder, exporter)
    shutil.copytree(folder, elsewhere)
    clips = own.clips().to_pylist()
    video = clips[0]["video_id"]
    gone = [row["clip_id"] for row in clips if row["video_id"] == video]
    internvid.remove(own, video)
    assert internvid.verify(folder, dataset=own).ok
    assert manifest_of(folder)["version"] == 2
    assert internvid.reissue(own, folder)["rewritten"] == []
    assert manifest_of(elsewhere)["clips"] == len(clips)
    done = internvid.reissue(own, elsewhere)
    assert (done["version"], done["removed_clips"]) == (2, len(gone))
    assert digest_tree(elsewhere) == digest_tree(folder)
    kinds = {(row["kind"], row["sha256"]) for row in
             pq.read_table(folder / "removed.parquet").to_pylist()}  # fmt: skip
    expected = {*(("clip_id", each) for each in gone), ("video_id", video)}
    assert kinds == {(kind, hashlib.sha256(f"{kind}\n{each}".encode()).hexdigest())
                     for kind, each in expected}  # fmt: skip
    # The dataset knows the copy from now on.
    left = own.clips().to_pylist()
    internvid.remove(own, left[0]["video_id"])
    assert manifest_of(elsewhere)["version"] == 3
    assert internvid.verify(elsewhere, dataset=own).ok


def test_what_cannot_be_reissued_is_not_touched(
    own: Dataset, dataset: Dataset, tmp_path: Path
) -> None:
    internvid.select(own, "where", "some", "duration_seconds > 0")
    folder = tmp_path / "out"
    publish(own, folder, EXPORTERS[0], "some")
    with pytest.raises(SourceMissingError, match="no finished export"):
        internvid.reissue(own, tmp_path)
    other = tmp_path / "strange"
    shutil.copytree(folder, other)
    (other / "manifest.json").write_text("{}")
    with pytest.raises(MisuseError, match="none that this dataset noted"):
        internvid.reissue(own, other)
    publish(own, tmp_path / "lines", ListExporter())
    assert internvid.verify(tmp_path / "lines").ok
    with pytest.raises(MisuseError, match="ListExporter cannot be reissued"):
        internvid.reissue(own, tmp_path / "lines")
    (gone,) = shrink(own, "some", 1)
    tars = sorted(folder.glob("*.tar"))
    (held,) = [path for path in tars if gone.encode() in path.read_bytes()]
    flip(held, 700)
    before = digest_tree(folder)
    with pytest.raises(DatasetFormatError, match=f"{held.name} has other bytes"):
        internvid.reissue(own, folder)
    tars[-1].unlink()
    before.pop(tars[-1].name)
    flip(held, 700)
    with pytest.raises(DatasetFormatError, match=f"{tars[-1].name} is missing"):
        internvid.reissue(own, folder)
    assert set(digest_tree(folder)) == set(before)


def test_damage_elsewhere_is_not_given_new_checksums(own: Dataset, tmp_path: Path) -> None:
    internvid.select(own, "where", "some", "duration_seconds > 0")
    folder = tmp_path / "out"
    publish(own, folder, EXPORTERS[0], "some")
    (gone,) = shrink(own, "some", 1)
    untouched = next(p for p in sorted(folder.glob("*.tar")) if gone.encode() not in p.read_bytes())
    flip(untouched, untouched.stat().st_size - 1)
    internvid.reissue(own, folder)
    assert internvid.verify(folder).changed == (untouched.name,)


@pytest.mark.parametrize("exporter", EXPORTERS, ids=NAMES)
def test_exports_of_earlier_versions_get_checksums(
    own: Dataset, tmp_path: Path, exporter: Exporter
) -> None:
    from internvid.dataset.parts import commit_json
    from internvid.dataset.removal.copies import copy_at, digest_of_json, note_copy

    internvid.select(own, "where", "some", "duration_seconds > 0")
    folder = tmp_path / "out"
    publish(own, folder, exporter, "some")
    fresh = manifest_of(folder)
    later = ("checksums", "manifest_sha256", "version", "provenance", "keep_paths")
    old = {name: value for name, value in fresh.items() if name not in later}
    commit_json(folder / "manifest.json", old)
    noted: Any = copy_at(own.layout, folder)
    for name in ("keep_paths", "earlier"):
        del noted[name]
    note_copy(own.layout, {**noted, "manifests": [digest_of_json(old)]})
    shutil.copytree(folder, tmp_path / "second")
    with pytest.raises(DatasetFormatError, match="has no checksums"):
        internvid.verify(folder)
    done = internvid.reissue(own, folder)
    assert (done["version"], done["rewritten"]) == (1, ["manifest.json"])
    assert manifest_of(folder)["checksums"] == fresh["checksums"]
    assert internvid.verify(folder, dataset=own).ok
    shrink(own, "some", 1)
    assert internvid.reissue(own, tmp_path / "second")["version"] == 2
    assert internvid.verify(tmp_path / "second", dataset=own).ok


# Killed


def run_until(step: int, dataset: Path, folder: Path) -> int | None:
    """How many steps a reissue takes in a process of its own; None where it died at `step`."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        taken = die_before(step)
        try:
            internvid.reissue(dataset, folder)
            os.write(write, str(taken()).encode())
        finally:
            os._exit(0)
    os.close(write)
    os.waitpid(child, 0)
    said = os.read(read, 100).decode()
    os.close(read)
    return int(said) if said else None


@pytest.mark.parametrize("exporter", EVERY, ids=EVERY_NAME)
@pytest.mark.parametrize("every", [4, pytest.param(1, marks=pytest.mark.slow)])
def test_killed_at_any_step_it_ends_in_the_same_bytes(
    own: Dataset, tmp_path: Path, exporter: Exporter, every: int
) -> None:
    root = tmp_path / "now"
    root.mkdir()
    shutil.move(own.root, root / "data")
    moved = internvid.open(root / "data")
    internvid.select(moved, "where", "some", "duration_seconds > 0")
    publish(moved, root / "out", exporter, "some")
    shrink(moved, "some", 3)
    shutil.copytree(root, tmp_path / "kept")
    total = run_until(0, root / "data", root / "out")
    assert total is not None
    expected = digest_tree(root)
    assert total >= 8
    for step in range(1, total + 1, every):
        shutil.rmtree(root)
        shutil.copytree(tmp_path / "kept", root)
        assert run_until(step, root / "data", root / "out") is None, step
        # Nobody takes a folder for whole in which something is half done.
        is_begun = any((root / "out").glob(".unfinished/*"))
        assert internvid.verify(root / "out").ok == (not is_begun), step
        assert run_until(0, root / "data", root / "out") is not None, step
        assert digest_tree(root) == expected, step
    assert internvid.verify(root / "out", dataset=root / "data").ok


@pytest.mark.parametrize("exporter", [EVERY[0], LISTED[1]], ids=["webdataset", "json-list"])
def test_what_was_gone_in_part_does_not_stay_when_it_comes_back(
    own: Dataset, tmp_path: Path, exporter: Exporter
) -> None:
    """Killed on the way, and then the subset has the clips again."""
    internvid.select(own, "where", "some", "duration_seconds > 0")
    publish(own, tmp_path / "kept", exporter, "some")
    whole = own.layout.subset("some").read_bytes()
    shrink(own, "some", 2)
    fewer = own.layout.subset("some").read_bytes()
    for step in range(2, 12, 2):
        folder = tmp_path / f"out{step}"
        shutil.copytree(tmp_path / "kept", folder)
        own.layout.subset("some").write_bytes(fewer)
        assert run_until(step, own.root, folder) is None, step
        own.layout.subset("some").write_bytes(whole)
        internvid.reissue(own, folder)
        assert internvid.verify(folder).ok, step
        manifest = manifest_of(folder)
        named = {row["clip_id"] for row in manifest["samples"]}
        assert held_by(folder) == named, step
        if (folder / "dataset.json").exists():
            rows = json.loads((folder / "dataset.json").read_text())
            assert {Path(row["video"]).name[:32] for row in rows} == named, step


# Paths


@pytest.mark.parametrize("exporter", EXPORTERS, ids=NAMES)
def test_local_paths_do_not_travel_unless_they_are_asked_for(
    own: Dataset, tmp_path: Path, exporter: Exporter
) -> None:
    from tests.removal.bytes import contents

    videos = Path(own.videos()["uri"].to_pylist()[0]).parent
    internvid.select(own, "where", "some", f"uri like '{videos}/%'")
    publish(own, tmp_path / "names", exporter, "some")
    publish(own, tmp_path / "paths", exporter, "some", keep_paths=True)
    needle = str(videos).encode()
    for name, travels in (("names", False), ("paths", True)):
        data = [data for path in sorted((tmp_path / name).iterdir()) for data in contents(path)
                if path.name != "manifest.json"]  # fmt: skip
        assert any(needle in each for each in data) == travels
        text = (tmp_path / name / "manifest.json").read_bytes()
        assert (needle in text) == travels
    recipe = manifest_of(tmp_path / "names")["provenance"]["recipe"]
    assert recipe["selector"]["fields"]["condition"] == "uri like '%'"


def test_remote_uris_stay_whole() -> None:
    from internvid.dataset.releases.origin import travelling_uri

    for uri in ("https://a.example/v/1.mp4", "s3://bucket/a.mp4", None):
        assert travelling_uri(uri) == uri
    assert travelling_uri("/home/me/a b.mp4") == "a b.mp4"
    assert travelling_uri("file:///home/me/caf%E9.mp4") == "caf%E9.mp4"
