"""Interleaved documents as public readers take them, read back, damaged, and taken back."""

from __future__ import annotations

import base64
import gc
import io
import json
import os
import re
import signal
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import webdataset  # type: ignore[import-untyped]

import internvid
from internvid.cli.app import main
from internvid.conversations.interleaved.interleaved_document import ITEMS_SCHEMA
from internvid.dataset.store import Dataset
from tests.conversations.library import killed_at_file
from tests.conversations.test_interleaved import STORY, rows_of
from tests.dying import die_before
from tests.removal.bytes import traces
from tests.trees import digest_tree

SMALL = ["media.cut.size=32"]


def flamingo_sequence(sample: bytes, least_bytes: int) -> tuple[list[PIL.Image.Image], str]:
    """As OpenFlamingo reads a sample of MMC4 (open_flamingo.train.data).

    Pictures come from base64, those of few kilobytes are passed over, each stands before the
    sentence that it is matched with, and an end of chunk before every picture but the first.
    """
    info = json.loads(sample)
    sentences = list(info["text_list"])
    pictures, places = [], []
    for picture in info["image_info"]:
        data = base64.b64decode(picture["image_base64"])
        if len(data) // 1000 <= least_bytes or picture["matched_sim"] < 0.24:
            continue
        pictures.append(PIL.Image.open(io.BytesIO(data)).convert("RGB"))
        places.append(picture["matched_text_index"])
    if not pictures:
        raise ValueError("No images in sample")
    for at in places:
        sentences[at] = f"<|endofchunk|><image>{sentences[at]}"
    text = " ".join(sentences).replace("<|endofchunk|>", "", 1)
    text = text.replace(" <|endofchunk|>", "<|endofchunk|>").replace(" <image>", "<image>")
    return pictures, text


# Its generators of tar files are closed when they are collected.
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_open_flamingo_reads_tars_of_documents(library: Dataset, tmp_path: Path) -> None:
    settings = [STORY, "media.pixels=frames", "media.frames=1", "layout=mmc4", "seed=4"]
    settings += ["container=webdataset", "drop=0.5", "documents_per_shard=4"]
    manifest = internvid.interleave(library, tmp_path / "out", settings=settings)
    internvid.interleave(library, tmp_path / "items", settings=[STORY, "drop=0.5", "seed=4"])
    tars = sorted(map(str, (tmp_path / "out").glob("*.tar")))
    assert len(tars) == 2
    samples = list(webdataset.WebDataset(tars, shardshuffle=False))
    gc.collect()
    expected = {row["id"]: row for row in rows_of(tmp_path / "items")}
    assert len(samples) == manifest["documents"] == len(expected)
    for sample in samples:
        row = expected[sample["__key__"]]
        pictures, text = flamingo_sequence(sample["json"], -1)
        words = ""
        for item in row["items"]:
            if item["type"] == "video":
                words += "<|endofchunk|><image>" if "<image>" in words else "<image>"
            else:
                words += (
                    item["text"] if not words or words.endswith("<image>") else (f" {item['text']}")
                )
        assert text == words
        assert len(pictures) == text.count("<image>") == row["counts"]["shown"]


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_real_videos_have_pictures_that_open_flamingo_keeps(media: Path, tmp_path: Path) -> None:
    """It passes over pictures of 10 kB and less: `media.short_side` reads larger ones."""
    name = next((media / "videos").glob("bbb__*"))
    internvid.build([str(name)], tmp_path / "data", workers=1)
    settings = ["media.pixels=frames", "media.frames=2", "media.short_side=360", "drop=0"]
    settings += ["layout=mmc4", "container=webdataset"]
    manifest = internvid.interleave(tmp_path / "data", tmp_path / "out", settings=settings)
    tar = str(tmp_path / "out" / "documents-000000.tar")
    (sample,) = list(webdataset.WebDataset(tar, shardshuffle=False))
    gc.collect()
    pictures, text = flamingo_sequence(sample["json"], 10)
    assert len(pictures) > manifest["per_document"]["frames"]["total"] / 2
    assert min(pictures[0].size) == 360
    assert "<image>" in text


def obelics_sequence(row: dict[str, Any]) -> list[tuple[str, str]]:
    """As OBELICS documents are read: lists of one length, one of both at each place."""
    images, texts = row["images"], row["texts"]
    assert len(images) == len(texts) == len(json.loads(row["metadata"]))
    assert isinstance(json.loads(row["general_metadata"]), dict)
    sequence = []
    for image, text in zip(images, texts, strict=True):
        assert (image is None) != (text is None)
        sequence.append(("image", image) if text is None else ("text", text))
    return sequence


def test_obelics_lists_read_back_as_the_same_documents(library: Dataset, tmp_path: Path) -> None:
    settings = [STORY, "media.pixels=frames", "media.frames=2"]
    internvid.interleave(library, tmp_path / "o", settings=[*settings, "layout=obelics"])
    internvid.interleave(library, tmp_path / "i", settings=settings)
    expected = []
    for row in rows_of(tmp_path / "i"):
        sequence = []
        for item in row["items"]:
            if item["type"] == "text":
                sequence.append(("text", item["text"]))
            else:
                sequence += [("image", path) for path in item["pictures"]]
        expected.append(sequence)
    assert [obelics_sequence(row) for row in rows_of(tmp_path / "o")] == expected
    for sequence in expected:
        for kind, path in sequence:
            if kind == "image":
                PIL.Image.open(tmp_path / "o" / path).verify()
    one, other = (list(internvid.read_interleaved(tmp_path / name)) for name in "oi")
    # A clip of one picture is a path there.
    shown = [
        [[(i.clip_id, i.pictures or (i.path,)) for i in d.shown] for d in each]
        for each in (one, other)
    ]
    assert shown[0] == shown[1]


def test_messages_have_a_token_for_each_video(library: Dataset, tmp_path: Path) -> None:
    settings = [STORY, "media.pixels=clips", *SMALL, "layout=messages"]
    internvid.interleave(library, tmp_path / "out", settings=settings)
    for row in rows_of(tmp_path / "out"):
        (message,) = row["messages"]
        assert message["role"] == "assistant"
        assert message["content"].count("<video>") == len(row["videos"]) > 0
        assert all((tmp_path / "out" / path).is_file() for path in row["videos"])


def test_tars_have_their_clips_beside_the_row(library: Dataset, tmp_path: Path) -> None:
    settings = [STORY, "media.pixels=clips", *SMALL, "container=webdataset"]
    internvid.interleave(library, tmp_path / "out", settings=settings)
    reading = internvid.read_interleaved(tmp_path / "out")
    documents = list(reading)
    assert not reading.faults.total
    with tarfile.open(tmp_path / "out" / "documents-000000.tar") as tar:
        names = set(tar.getnames())
    assert {item.path for each in documents for item in each.shown} == {
        name for name in names if name.endswith(".mp4")
    }


def valid(value: Any, schema: dict[str, Any]) -> bool:
    """As JSON Schema has it, for the words that `ITEMS_SCHEMA` uses."""
    kinds: dict[str, Any] = {
        "object": dict, "array": list, "string": str, "integer": int, "number": (int, float)
    }  # fmt: skip
    if "oneOf" in schema:
        return sum(valid(value, each) for each in schema["oneOf"]) == 1
    if "const" in schema:
        return bool(value == schema["const"])
    if "enum" in schema:
        return value in schema["enum"]
    if not isinstance(value, kinds[schema["type"]]):
        return False
    if isinstance(value, dict):
        properties = schema.get("properties", {})
        further = schema.get("additionalProperties", True)
        return (
            set(schema.get("required", ())) <= set(value)
            and (further is not False or set(value) <= set(properties))
            and all(valid(value[name], each) for name, each in properties.items() if name in value)
        )
    if isinstance(value, list):
        return len(value) >= schema.get("minItems", 0) and all(
            valid(each, schema.get("items", {"type": "string"})) for each in value
        )
    if isinstance(value, str):
        fits = re.search(schema.get("pattern", ""), value) is not None
        return fits and len(value) >= schema.get("minLength", 0)
    above = value > schema.get("exclusiveMinimum", -np.inf)
    return bool(above and value >= schema.get("minimum", -np.inf))


def test_rows_are_as_the_schema_says(library: Dataset, tmp_path: Path) -> None:
    internvid.interleave(library, tmp_path / "out", form="b", settings=[STORY])
    rows = rows_of(tmp_path / "out")
    assert all(valid(row, ITEMS_SCHEMA) for row in rows)
    assert not valid({**rows[0], "format": "d"}, ITEMS_SCHEMA)
    assert not valid({**rows[0], "further": 1}, ITEMS_SCHEMA)


def damaged(row: dict[str, Any], how: str) -> Any:
    """A row with one thing wrong."""
    video = next(at for at, item in enumerate(row["items"]) if item["type"] == "video")
    text = next(at for at, item in enumerate(row["items"]) if item["type"] == "text")
    items = [dict(item) for item in row["items"]]
    rows: dict[str, Any] = {
        "wrong_counts": {**row, "counts": {**row["counts"], "shown": 99}},
        "unknown_layout": {"id": row["id"]},
        "not_an_object": [row],
        "missing_field": {**row, "video_ids": None},
    }
    fields: dict[str, tuple[int, str, Any]] = {
        "times_outside": (video, "end", items[video]["start"]),
        "unknown_role": (text, "role", "narrator"),
        "empty_text": (text, "text", " "),
        "unknown_item": (text, "type", "sound"),
        "picture_missing": (video, "path", "videos/../../elsewhere.mp4"),
    }
    if how in fields:
        at, name, value = fields[how]
        items[at][name] = value
    elif how == "no_video":
        items = [item for item in items if item["type"] == "text"]
    elif how == "no_text":
        gone = items[video]["clip_id"]
        items = [item for item in items if item["type"] == "video" or item["clip_id"] != gone]
    elif how == "shown_twice":
        items.append(items[video])
    return rows.get(how, {**row, "items": items})


FAULTS = [
    *("times_outside", "unknown_role", "empty_text", "no_video", "no_text", "shown_twice"),
    *("unknown_item", "picture_missing", "wrong_counts", "unknown_layout", "not_an_object"),
    "missing_field",
]


def test_each_fault_of_a_row_is_counted_and_the_rest_is_read(
    library: Dataset, tmp_path: Path
) -> None:
    internvid.interleave(library, tmp_path / "out", settings=[STORY])
    row = next(each for each in rows_of(tmp_path / "out") if each["counts"]["shown"] > 1)
    lines = [json.dumps(damaged(row, how)) for how in FAULTS]
    lines[3:3] = ["{not json", "", json.dumps(row)]
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(lines))
    reading = internvid.read_interleaved(path)
    assert [each.document_id for each in reading] == [row["id"]]
    assert reading.faults.counts == {**dict.fromkeys(FAULTS, 1), "not_json": 1}
    assert {fault.file for fault in reading.faults.examples} == {"rows.jsonl"}


def publish_all(dataset: Dataset, root: Path) -> list[Path]:
    """Exports of each container and layout."""
    settings = [
        [],
        ["media.pixels=clips", *SMALL],
        ["media.pixels=clips", *SMALL, "container=webdataset", "documents_per_shard=2"],
        ["media.pixels=frames", "layout=mmc4", "container=webdataset"],
    ]
    for at, each in enumerate(settings):
        form: Any = "c" if at % 2 else "a"
        internvid.interleave(dataset, root / str(at), form=form, settings=[STORY, *each])
    return [root / str(at) for at in range(len(settings))]


def test_removed_videos_are_taken_out_with_their_documents(own: Dataset, tmp_path: Path) -> None:
    folders = publish_all(own, tmp_path)
    video = own.videos().to_pylist()[2]
    clips = [r["clip_id"] for r in own.clips().to_pylist() if r["video_id"] == video["video_id"]]
    names = [video["video_id"], Path(video["uri"]).name, *clips]
    assert all(traces(folder, names) for folder in folders)
    before = [json.loads((folder / "manifest.json").read_text()) for folder in folders]
    done = internvid.remove(own, video["video_id"])
    assert done.to_reissue == []
    own.refresh()
    for folder, old in zip(folders, before, strict=True):
        assert traces(folder, names) == []
        assert internvid.verify(folder, dataset=own).ok
        assert not internvid.read_interleaved(folder).check().total
        new = json.loads((folder / "manifest.json").read_text())
        assert new["version"] == 2
        assert 0 < new["documents"] < old["documents"]
        assert new["per_document"]["clips"]["total"] == new["clips"] < old["clips"]
    # Documents of other videos keep their bytes.
    kept = rows_of(folders[0])
    internvid.interleave(own, tmp_path / "fresh", settings=[STORY])
    assert kept == rows_of(tmp_path / "fresh")


@pytest.mark.parametrize("step", [2, 4, 6, 8, 10])
def test_a_reissue_that_is_killed_is_finished_by_the_next(
    own: Dataset, tmp_path: Path, step: int
) -> None:
    internvid.select(own, "where", "chosen", "start_seconds < 3.5")
    settings = [STORY, "media.pixels=clips", *SMALL, "documents_per_shard=2"]
    folders = [tmp_path / name for name in ("killed", "calm")]
    for folder in folders:
        internvid.interleave(own, folder, subset="chosen", settings=settings)
    gone = own.clips("chosen").to_pylist()[0]["video_id"]
    internvid.select(own, "where", "fewer", f"start_seconds < 3.5 and video_id <> '{gone}'")
    own.layout.subset("fewer").replace(own.layout.subset("chosen"))
    child = os.fork()
    if child == 0:
        die_before(step)
        internvid.reissue(internvid.open(own.root), folders[0])
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFEXITED(status) or os.WTERMSIG(status) == signal.SIGKILL
    for folder in folders:
        internvid.reissue(own, folder)
        assert internvid.verify(folder, dataset=own).ok
    assert digest_tree(folders[0]) == digest_tree(folders[1])
    assert all(gone not in row["video_ids"] for row in rows_of(folders[0]))


@pytest.mark.parametrize("container", ["jsonl", "webdataset"])
def test_an_unfinished_export_loses_removed_clips_too(
    own: Dataset, tmp_path: Path, container: str
) -> None:
    settings = [STORY, "media.pixels=clips", *SMALL, f"container={container}"]
    settings += ["documents_per_shard=2"]

    def write() -> None:
        internvid.interleave(internvid.open(own.root), tmp_path / "out", settings=settings)

    killed_at_file("manifest.json", 1, write)
    video = rows_ids(tmp_path / "out")[0]
    clips = [row["clip_id"] for row in own.clips().to_pylist() if row["video_id"] == video]
    assert traces(tmp_path / "out", clips)
    internvid.remove(own, video)
    assert traces(tmp_path / "out", clips) == []
    own.refresh()
    internvid.interleave(own, tmp_path / "out", settings=settings)
    assert not internvid.read_interleaved(tmp_path / "out").check().total
    internvid.interleave(own, tmp_path / "fresh", settings=settings)
    assert digest_tree(tmp_path / "out") == digest_tree(tmp_path / "fresh")


def rows_ids(folder: Path) -> list[str]:
    """Videos of the documents of an export, finished or not."""
    return [video for each in internvid.read_interleaved(folder) for video in each.video_ids]


def test_the_command_writes_plans_and_verifies(
    library: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["interleave", str(library.root), str(tmp_path / "out"), "--caption", "story"]
    words += ["--tokens", "60", "--clips", "3", "--seed", "2"]
    assert main([*words, "--plan", "--json"]) == 0
    planned = json.loads(capsys.readouterr().out)
    assert not (tmp_path / "out").exists()
    assert main(words) == 0
    shown = capsys.readouterr()
    assert f"{planned['documents']} documents of {planned['clips']} clips" in shown.out
    assert "% of clips are not shown" in shown.out
    assert "6 clips were left out (6 no_caption)" in shown.err
    check = ["interleave", str(library.root), str(tmp_path / "out"), "--verify"]
    assert main(check) == 0
    assert main([*check, "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["rows"] == planned["documents"]
    assert main([*check, "--tokens", "5"]) == 2
    path = tmp_path / "out" / "documents-000000.jsonl"
    path.write_text(path.read_text().replace('"caption"', '"narrator"', 1))
    assert main([*check, "--json"]) == 1
    report = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert report["changed"] == ["documents-000000.jsonl"]
    assert report["faults"] == {"unknown_role": 1}
    assert main(["interleave", str(library.root), str(tmp_path / "b"), "--caption", "no"]) == 2
