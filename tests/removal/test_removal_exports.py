"""Exports lose the samples of removed videos; what cannot be purged is named."""

from __future__ import annotations

import json
import shutil
import tarfile
from pathlib import Path

import pytest

import internvid
from internvid.core.errors import OutputExistsError
from internvid.core.hub_upload import HubTarget
from internvid.dataset import store
from internvid.dataset.frame_shards import FrameShards
from internvid.dataset.layout import Layout
from internvid.dataset.removal.copies import recorded_copies
from internvid.publishing.exporters.frames import FramesExporter
from internvid.publishing.exporters.webdataset import WebDatasetExporter
from internvid.publishing.publish import publish
from internvid.publishing.shards import NOTES
from internvid.synthetic.fakes import ListExporter
from tests.publishing.test_webdataset import read_shards
from tests.removal.bytes import names_of, traces
from tests.removal.conftest import EXPORTS, Desk


def manifest_of(folder: Path) -> dict[str, object]:
    read: dict[str, object] = json.loads((folder / "manifest.json").read_text())
    return read


def test_samples_that_stay_have_the_same_bytes(desk: Desk) -> None:
    tars = desk.root / "tars"
    before = read_shards(tars)
    untouched = {path: path.stat().st_ino for path in tars.glob("*.tar")}
    internvid.remove(desk.data, desk.video("dan"))
    gone = set(desk.clips("dan"))
    after = read_shards(tars)
    assert after == {name: data for name, data in before.items() if name.split(".")[0] not in gone}
    manifest = manifest_of(tars)
    assert manifest["files"] == sorted(path.name for path in tars.glob("*.tar"))
    assert manifest["clips"] == len(internvid.open(desk.data)) == len(after) // 2
    assert any(path.exists() and path.stat().st_ino == inode for path, inode in untouched.items())
    for path in tars.glob("*.tar"):
        with tarfile.open(path) as tar:
            assert {member.mtime for member in tar} == {0}
    # The proof holds for the next removal.
    assert internvid.remove(desk.data, desk.video("cat")).to_reissue == []
    assert traces(tars, names_of(desk, "cat", "dan")) == []


def test_frames_that_stay_are_read_where_the_index_says(desk: Desk) -> None:
    folder = desk.root / "frames"

    def pictures() -> dict[str, bytes]:
        shards = FrameShards(folder)
        ids = shards.rows()["clip_id"].to_pylist()
        return {clip: b"".join(frame.tobytes() for frame in shards.read(at, range))
                for at, clip in enumerate(ids)}  # fmt: skip

    before = pictures()
    internvid.remove(desk.data, desk.video("dan"))
    shutil.move(folder, desk.root / "moved")  # nothing is kept open of the old index
    folder = desk.root / "moved"
    gone = set(desk.clips("dan"))
    assert pictures() == {clip: data for clip, data in before.items() if clip not in gone}
    manifest = manifest_of(folder)
    assert manifest["files"] == sorted(
        path.name
        for path in folder.iterdir()
        if path.name not in ("manifest.json", "removed.parquet")
    )
    assert any(name.endswith("-1.tar") for name in manifest["files"])  # type: ignore[attr-defined]
    assert traces(folder, names_of(desk, "dan")) == []


def test_only_what_a_manifest_proves_is_changed(desk: Desk) -> None:
    tars, frames = desk.root / "tars", desk.root / "frames"
    (tars / "manifest.json").write_text((tars / "manifest.json").read_text() + "\n")
    shutil.rmtree(frames)
    before = read_shards(tars)
    done = internvid.remove(desk.data, desk.video("dan"))
    reasons = {Path(copy["path"]).name: copy["reason"] for copy in done.to_reissue}
    assert reasons == {
        "tars": "its manifest is not the one that this dataset wrote",
        "frames": "the folder is not there now",
    }
    assert read_shards(tars) == before


@pytest.mark.slow
def test_exports_without_removed_clips_stay_and_others_are_to_be_reissued(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = internvid.open(desk.data)
    publish(opened, desk.root / "dan", WebDatasetExporter(), "only_dan")
    publish(opened, desk.root / "lines", ListExporter())
    uploaded: list[HubTarget] = []
    monkeypatch.setattr(
        store, "upload_folder", lambda folder, kind, target: uploaded.append(target) or "address"
    )
    opened.push_to_hub("someone/clips")
    before = read_shards(desk.root / "dan")
    done = internvid.remove(desk.data, desk.video("cat"))
    assert read_shards(desk.root / "dan") == before
    assert {Path(copy["path"]).name: copy["action"] for copy in done.copies} == {
        **dict.fromkeys([*EXPORTS, "inside"], "purged"), "lines": "reissue", "clips": "reissue",
    }  # fmt: skip
    states = {Path(copy["path"]).name: copy for copy in internvid.status(desk.data)["copies"]}
    assert {name: copy["removal"] for name, copy in states.items()} == {
        **dict.fromkeys([*EXPORTS, "inside"], "purged"), "lines": "reissue", "clips": "reissue",
        "dan": None,
    }  # fmt: skip
    assert {copy["state"] for name, copy in states.items() if name != "clips"} == {"whole"}
    assert states["lines"]["reason"] == "ListExporter does not say which file has which clip"
    assert len(uploaded) == 1
    # A subset that is all removed leaves an export without a shard.
    internvid.remove(desk.data, desk.video("dan"))
    left = sorted(path.name for path in (desk.root / "dan").iterdir())
    assert left == ["manifest.json", "removed.parquet"]
    assert manifest_of(desk.root / "dan")["clips"] == 0


@pytest.mark.slow
def test_an_unfinished_export_loses_its_shards_and_goes_on(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    from internvid.publishing import publish as publishing

    folder = desk.root / "half"
    exporter = WebDatasetExporter(clips_per_shard=4)

    def stop(done: int, total: int) -> None:
        if done > total // 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        publish(internvid.open(desk.data), folder, exporter, progress=stop)
    assert list(folder.glob("*.tar"))
    first = read_shards(folder)
    held = {clip for name in ("ann", "bob", "cat", "dan", "eve")
            for clip in desk.clips(name) if f"{clip}.mp4" in first}  # fmt: skip
    name = next(each for each in ("ann", "bob", "cat", "dan", "eve")
                if held & set(desk.clips(each)))  # fmt: skip
    done = internvid.remove(desk.data, desk.video(name))
    assert str(folder) in {copy["path"] for copy in done.copies if copy["action"] == "purged"}
    assert traces(folder, [*desk.clips(name), desk.uri(name)]) == []
    assert (folder / NOTES).is_dir()
    manifest = publishing.publish(internvid.open(desk.data), folder, exporter)
    assert manifest["clips"] == len(internvid.open(desk.data))
    assert traces(folder, names_of(desk, name)) == []


@pytest.mark.slow
def test_packs_for_training_are_packed_anew(desk: Desk) -> None:
    pack = desk.root / "pack"
    before = len(internvid.ClipDataset(desk.data, "echo", cache=pack))
    assert list(pack.glob("picks*"))
    done = internvid.remove(desk.data, desk.video("dan"))
    assert {copy["kind"] for copy in done.copies if Path(copy["path"]) == pack.resolve()} == {
        "pictures"
    }
    assert list(pack.glob("picks*")) == []
    assert len(internvid.ClipDataset(desk.data, "echo", cache=pack)) < before


def test_an_export_is_known_and_a_refused_one_is_not(desk: Desk) -> None:
    known = [copy["path"] for copy in recorded_copies(Layout(desk.data))]
    assert sorted(Path(path).name for path in known) == sorted([*EXPORTS, "inside"])
    with pytest.raises(OutputExistsError):
        publish(internvid.open(desk.data), desk.root / "videos", FramesExporter())
    assert [copy["path"] for copy in recorded_copies(Layout(desk.data))] == known


def test_a_copy_elsewhere_is_made_right_by_name(desk: Desk) -> None:
    """What a removal does to the noted folders, a reissue does to copies of them."""
    internvid.select(desk.data, "where", "not_cat", f"video_id <> '{desk.video('cat')}'")
    internvid.select(desk.data, "where", "no_cat", f"uri <> '{desk.uri('cat')}'")
    opened = internvid.open(desk.data)
    folders = [desk.root / name for name in (*EXPORTS, "not_cat", "no_cat")]
    for name in ("not_cat", "no_cat"):
        publish(opened, desk.root / name, WebDatasetExporter(clips_per_shard=3), name)
    copies = [folder.with_name(f"{folder.name}-copy") for folder in folders]
    for folder, other in zip(folders, copies, strict=True):
        shutil.copytree(folder, other)
    # `bob` is gone as a source, and its video stays, because `same` has these bytes.
    done = internvid.remove(desk.data, desk.video("cat"), uris=desk.uri("bob"))
    assert done.to_reissue == []
    for folder, other in zip(folders, copies, strict=True):
        change = internvid.reissue(desk.data, other)
        assert change["version"] == 2
        for each in (folder, other):
            assert internvid.verify(each, dataset=desk.data).ok
            assert traces(each, names_of(desk, "cat")) == []
            assert traces(each, [desk.uri("bob"), "bob.mp4", "film:bob"]) == []
        assert manifest_of(other)["clips"] == manifest_of(folder)["clips"]
        assert internvid.reissue(desk.data, other)["rewritten"] == []
    for each in copies[-2:]:
        assert "(removed)" in json.dumps(manifest_of(each)["provenance"])
