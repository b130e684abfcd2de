"""Interleaved documents: what is in them, in which order, and that clips alone decide it."""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

import internvid
from internvid.conversations.documents.document_clips import ClipRow
from internvid.conversations.documents.drawn import drawn_share
from internvid.conversations.interleaved.assembling import Assembler, Budget
from internvid.conversations.interleaved.interleaved_document import TextItem, VideoItem
from internvid.core.errors import ConfigInvalidError, NothingSelectedError
from internvid.dataset.store import Dataset
from internvid.pipeline.annotate.annotate import annotate
from internvid.publishing.texts.token_limits import estimated_tokens
from tests.conversations.library import TopicCaptioner, Transcriber, build_library, killed_at_file
from tests.trees import digest_tree

STORY = "caption=story"
ENDINGS = (".jsonl", ".tar")


def rows_of(folder: Path) -> list[dict[str, Any]]:
    return [
        json.loads(line)
        for path in sorted(folder.glob("documents-*.jsonl"))
        for line in path.read_text("utf-8").splitlines()
    ]


def test_clips_stand_in_time_order_each_before_its_caption(
    library: Dataset, tmp_path: Path
) -> None:
    manifest = internvid.interleave(library, tmp_path / "out", settings=[STORY])
    clips = {row["clip_id"]: row for row in library.clips().to_pylist()}
    told = {clip_id for clip_id, row in clips.items() if row["story"]}
    seen: list[str] = []
    for document in internvid.read_interleaved(tmp_path / "out"):
        ids = document.clip_ids
        starts = [clips[clip_id]["start_seconds"] for clip_id in ids]
        assert starts == sorted(starts)
        assert {clips[clip_id]["video_id"] for clip_id in ids} == set(document.video_ids)
        for at, item in enumerate(document.items):
            row = clips[item.clip_id]
            if isinstance(item, VideoItem):
                behind = document.items[at + 1]
                assert behind == TextItem(item.clip_id, "caption", row["story"])
                assert (item.start_seconds, item.end_seconds) == (
                    row["start_seconds"],
                    row["end_seconds"],
                )
            else:
                assert item.text == row["story"]
        seen += ids
    assert sorted(seen) == sorted(told)
    assert manifest["clips"] == len(told)
    assert manifest["left_out"] == {"no_caption": len(clips) - len(told)}


def test_a_clip_is_not_shown_by_its_id_and_the_seed_alone(library: Dataset, tmp_path: Path) -> None:
    manifest = internvid.interleave(library, tmp_path / "out", settings=[STORY, "drop=0.5"])
    documents = list(internvid.read_interleaved(tmp_path / "out"))
    for document in documents:
        shown = {item.clip_id for item in document.shown}
        by_draw = {
            clip_id for clip_id in document.clip_ids if drawn_share(0, "shown", clip_id) >= 0.5
        }
        assert shown == by_draw or (not by_draw and len(shown) == 1)
    counts = manifest["per_document"]
    dropped = sum(len(each.clip_ids) - len(each.shown) for each in documents)
    assert counts["dropped"]["total"] == dropped > 0
    assert manifest["dropped_share"] == round(dropped / manifest["clips"], 6)
    assert counts["shown"]["total"] + dropped == manifest["clips"] == counts["clips"]["total"]
    internvid.interleave(library, tmp_path / "all", settings=[STORY, "drop=0"])
    assert all(not row["counts"]["dropped"] for row in rows_of(tmp_path / "all"))
    internvid.interleave(library, tmp_path / "other", settings=[STORY, "drop=0.5", "seed=1"])
    assert rows_of(tmp_path / "other") != rows_of(tmp_path / "out")


def test_transcripts_follow_the_caption_of_their_clip(library: Dataset, tmp_path: Path) -> None:
    internvid.interleave(library, tmp_path / "b", form="b", settings=[STORY])
    internvid.interleave(library, tmp_path / "a", form="a", settings=[STORY])
    spoken = {row["clip_id"]: row["transcript"] for row in library.clips().to_pylist()}
    heard = 0
    for document in internvid.read_interleaved(tmp_path / "b"):
        for at, item in enumerate(document.items):
            if isinstance(item, TextItem) and item.role == "transcript":
                heard += 1
                assert item.text == spoken[item.clip_id]
                before = document.items[at - 1]
                assert isinstance(before, TextItem)
                assert (before.clip_id, before.role) == (item.clip_id, "caption")
    assert heard > 0
    # Without transcripts b is a.
    without = [
        [item for item in row["items"] if item.get("role") != "transcript"]
        for row in rows_of(tmp_path / "b")
    ]
    assert without == [row["items"] for row in rows_of(tmp_path / "a")]


@pytest.mark.parametrize("by", ["captions", "vectors"])
def test_near_videos_are_joined(library: Dataset, tmp_path: Path, by: str) -> None:
    settings = [STORY, f"join.by={by}"]
    internvid.interleave(library, tmp_path / "out", form="c", settings=settings)
    names = {row["video_id"]: Path(row["uri"]).stem for row in library.videos().to_pylist()}
    joined = [{names[each][:-1] for each in row["video_ids"]} for row in rows_of(tmp_path / "out")]
    assert sorted(joined, key=str) == [{"cook"}, {"dog"}, {"sea"}]
    assert all(len(row["video_ids"]) == 2 for row in rows_of(tmp_path / "out"))


def test_videos_joined_at_random_are_each_in_one_document(library: Dataset, tmp_path: Path) -> None:
    settings = [STORY, "join.videos=5"]
    internvid.interleave(library, tmp_path / "out", form="c", settings=settings)
    (row,) = rows_of(tmp_path / "out")  # the sixth alone would be no document of several
    assert sorted(row["video_ids"]) == sorted(
        each["video_id"] for each in library.videos().to_pylist()
    )
    internvid.interleave(library, tmp_path / "other", form="c", settings=[*settings, "join.seed=9"])
    (other,) = rows_of(tmp_path / "other")
    assert other["video_ids"] != row["video_ids"]


def test_a_budget_begins_the_next_document(library: Dataset, tmp_path: Path) -> None:
    settings = [STORY, "budget.clips=2", "budget.tokens=40", "budget.frames=8", "media.frames=4"]
    manifest = internvid.interleave(library, tmp_path / "out", settings=settings)
    assert manifest["documents"] > 6
    for row in rows_of(tmp_path / "out"):
        texts = [item["text"] for item in row["items"] if item["type"] == "text"]
        assert sum(map(estimated_tokens, texts)) == row["counts"]["tokens"] <= 40
        assert 1 <= row["counts"]["shown"] <= 2
        assert row["counts"]["frames"] <= 8
    assert sum(row["counts"]["clips"] for row in rows_of(tmp_path / "out")) == manifest["clips"]


def test_the_plan_counts_what_is_written(library: Dataset, tmp_path: Path) -> None:
    settings = [STORY, "budget.tokens=40"]
    planned = internvid.plan_interleave(library, form="c", settings=settings)
    manifest = internvid.interleave(library, tmp_path / "out", form="c", settings=settings)
    assert planned == {name: manifest[name] for name in planned}


def test_neither_parts_nor_threads_change_a_byte(
    library: Dataset,
    library_videos: list[Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    other = build_library(tmp_path / "data", reversed(library_videos), part=5)
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    forms: list[tuple[Any, str]] = [("b", "random"), ("c", "captions"), ("c", "vectors")]
    for at, (form, by) in enumerate(forms):
        settings = [STORY, f"join.by={by}", "budget.tokens=60"]
        folders = [tmp_path / f"{name}{at}" for name in ("one", "other")]
        for dataset, folder in zip((library, other), folders, strict=True):
            internvid.interleave(dataset, folder, form=form, settings=settings)
        one, two = map(digest_tree, folders)
        del one["manifest.json"], two["manifest.json"]  # says of which build the clips are
        assert one == two


@pytest.mark.parametrize(
    ("settings", "ending", "count"),
    [
        (["media.pixels=clips", "media.cut.size=32"], ".mp4", 7),
        (["media.pixels=frames", "container=webdataset"], ".tar", 3),
        ([], "documents-000002.jsonl", 1),
        ([], "manifest.json", 1),
        ([], "clips.parquet", 1),
    ],
)
def test_what_was_killed_goes_on_to_the_same_bytes(
    library: Dataset, tmp_path: Path, settings: list[str], ending: str, count: int
) -> None:
    settings = [STORY, "documents_per_shard=2", *settings]

    def write() -> None:
        fresh = internvid.open(library.root)
        internvid.interleave(fresh, tmp_path / "parts", settings=settings)

    killed_at_file(ending, count, write)
    assert not (tmp_path / "parts" / "manifest.json").exists()
    there = [path for path in (tmp_path / "parts").glob("documents-*") if path.suffix in ENDINGS]
    kept = {path: path.stat().st_mtime_ns for path in there}
    internvid.interleave(library, tmp_path / "parts", settings=settings)
    assert all(path.stat().st_mtime_ns == when for path, when in kept.items())
    internvid.interleave(library, tmp_path / "whole", settings=settings)
    assert digest_tree(tmp_path / "parts") == digest_tree(tmp_path / "whole")


def test_a_source_that_is_gone_costs_pictures_and_no_texts(
    own: Dataset, library_videos: list[Path], tmp_path: Path
) -> None:
    moved = tmp_path / "moved"
    moved.mkdir()
    for path in library_videos[:-1]:
        shutil.copy(path, moved)
    internvid.repair(own.root, moved=[f"{library_videos[0].parent}={moved}"])
    own.refresh()
    settings = [STORY, "media.pixels=clips", "media.cut.size=32", "join.videos=6", "drop=0"]
    manifest = internvid.interleave(own, tmp_path / "c", form="c", settings=settings)
    (document,) = internvid.read_interleaved(tmp_path / "c")
    assert Counter(each["reason"] for each in manifest["missing"]) == {
        "source_gone": len(document.clip_ids) - len(document.shown)
    }
    assert len(manifest["missing"]) > 0
    manifest = internvid.interleave(own, tmp_path / "a", settings=settings)
    assert manifest["documents_left_out"] == {"no_pixels": 1}
    assert manifest["documents"] == 5


def test_what_cannot_become_a_document_is_refused_with_the_reason(
    own: Dataset, tmp_path: Path
) -> None:
    annotate(own, Transcriber(speaks=False), "silence", workers=1)
    own.refresh()
    internvid.select(own, "where", "none_told", "story is null")
    out = tmp_path / "out"
    with pytest.raises(NothingSelectedError, match="not one of 6 clips of the subset 'none_told'"):
        internvid.interleave(own, out, subset="none_told", settings=[STORY])
    # A subset of another cut has no clip in this one.
    internvid.select(own, "where", "gone", "story is not null")
    gone = own.layout.subset("gone")
    ids = pa.table({"clip_id": ["0" * 32]})
    pq.write_table(ids, gone)
    with pytest.raises(NothingSelectedError, match="the subset 'gone' has no clip"):
        internvid.interleave(own, out, subset="gone", settings=[STORY])
    with pytest.raises(NothingSelectedError, match="has a transcript in silence"):
        internvid.interleave(own, out, form="b", settings=[STORY, "transcript=silence"])
    with pytest.raises(ConfigInvalidError, match="clips have no column 'heard'"):
        internvid.interleave(own, out, form="b", settings=[STORY, "transcript=heard"])
    with pytest.raises(ConfigInvalidError, match="no such column"):
        internvid.interleave(own, out, settings=["caption=nothing"])
    with pytest.raises(ConfigInvalidError, match="no such column of vectors"):
        internvid.interleave(
            own, out, form="c", settings=[STORY, "join.by=vectors", "join.vectors=story"]
        )
    with pytest.raises(NothingSelectedError, match="6 no_caption, 23 over_tokens"):
        internvid.interleave(own, out, settings=[STORY, "budget.tokens=3"])
    planned = internvid.plan_interleave(own, settings=[STORY, "budget.tokens=3"])
    assert planned["left_out"] == {"no_caption": 6, "over_tokens": 23}
    assert planned["documents"] == 0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["drop=1"], "drop must be from 0"),
        (["layout=mmc4"], "still pictures"),
        (["layout=messages"], "names a file for each clip"),
        (["container=webdataset"], "without a picture"),
        (["budget.frames=3"], "does not hold one clip"),
        (
            ["media.pixels=clips", "media.cut.maximum_frames=9", "media.cut.windows=slide"],
            "several videos of a clip",
        ),
        (["join.videos=1"], "at least 2"),
        (["format=d"], "allowed are a, b, c"),
    ],
)
def test_settings_that_contradict_are_refused(
    library: Dataset, tmp_path: Path, settings: list[str], message: str
) -> None:
    with pytest.raises(ConfigInvalidError, match=message):
        internvid.interleave(library, tmp_path / "out", settings=[STORY, *settings])
    assert not (tmp_path / "out").exists()


def row_of(number: int, start: Any, end: Any, caption: str, group: str = "v") -> ClipRow:
    return ClipRow(f"{number:032x}", "v", "v", "v.mp4", start, end, group, caption)


@pytest.mark.parametrize(
    ("start", "end"), [(None, 1.0), (0.0, None), (2.0, 2.0), (3.0, 1.0), (-1.0, 1.0)]
)
def test_a_clip_without_times_is_in_no_document(start: Any, end: Any) -> None:
    assembler = Assembler("a", 0.3, 0, Budget(), 8, estimated_tokens)
    rows = [row_of(1, start, end, "a dog"), row_of(2, 0.0, 1.0, "a cat")]
    (document,) = assembler.documents(rows)
    assert [one.row.clip_id for one in document.clips] == [rows[1].clip_id]
    assert assembler.left_out == {"no_times": 1}


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 12)), max_size=40),
    st.integers(1, 4),
    st.integers(5, 30),
    st.floats(0, 0.99),
    st.integers(0, 5),
)
def test_every_clip_is_in_one_document_or_counted(
    shape: list[tuple[int, int]], clips: int, tokens: int, drop: float, seed: int
) -> None:
    rows = [
        row_of(at, float(at), at + 1.0, " ".join(["word"] * words), f"group {group}")
        for at, (group, words) in enumerate(sorted(shape))
    ]
    budget = Budget(clips=clips, tokens=tokens)
    assembler = Assembler("a", drop, seed, budget, 2, estimated_tokens)
    documents = list(assembler.documents(rows))
    placed = [one.row.clip_id for each in documents for one in each.clips]
    assert len(placed) == len(set(placed))
    assert len(placed) + sum(assembler.left_out.values()) == len(rows)
    assert set(assembler.left_out) <= {"no_caption", "over_tokens"}
    for each in documents:
        assert len({one.row.group for one in each.clips}) == 1
        assert 1 <= sum(one.is_shown for one in each.clips) <= clips
        assert sum(one.tokens for one in each.clips) <= tokens
    again = Assembler("a", drop, seed, budget, 2, estimated_tokens)
    assert list(again.documents(rows)) == documents


def test_changed_captions_make_other_shards(own: Dataset, tmp_path: Path) -> None:
    """A shard that is there counts only for the very same texts."""
    settings = [STORY, "documents_per_shard=2"]

    def write() -> None:
        internvid.interleave(internvid.open(own.root), tmp_path / "out", settings=settings)

    killed_at_file("documents-000002.jsonl", 1, write)
    annotate(own.root, TopicCaptioner(word="Minute"), "story", workers=1)
    own.refresh()
    internvid.interleave(own, tmp_path / "out", settings=settings)
    texts = (tmp_path / "out" / "documents-000000.jsonl").read_text()
    assert "Minute" in texts
    assert "Second" not in texts
