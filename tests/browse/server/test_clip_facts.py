"""The page of a clip shows what the dataset has of it, and nothing is guessed."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

import internvid
from internvid.browse.server.clip.clip_facts import clip_page
from internvid.browse.server.clip.transcripts import _as_stored, _by_words
from internvid.browse.server.desk import Desk
from internvid.browse.server.subsets.failed_sources import (
    failed_sources,
    read_failed_query,
    stage_of,
)
from internvid.browse.server.subsets.subset_saving import save_marked
from internvid.core.assignments import with_values
from internvid.core.errors import MisuseError
from internvid.dataset.store import Dataset
from internvid.synthetic.fakes import EchoCaptioner
from internvid.synthetic.truth import World

LINES = ((0.2, 1.1, "It <i>begins</i>."), (1.2, 2.4, "<b>Rain</b> & wind."), (3.0, 4.0, "A bell."))


def subtitles() -> str:
    parts = [
        f"{at}\n00:00:{start:06.3f} --> 00:00:{end:06.3f}\n{text}\n".replace(".", ",", 2)
        for at, (start, end, text) in enumerate(LINES, 1)
    ]
    return "\n".join(parts)


@pytest.fixture(scope="module")
def spoken(world: World, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """A source with subtitles beside it, a source that is none, an empty one."""
    folder = tmp_path_factory.mktemp("spoken")
    original = sorted(path for path in world.folder.iterdir() if path.suffix == ".mp4")[0]
    video = folder / "film.mp4"
    shutil.copy(original, video)
    video.with_suffix(".srt").write_text(subtitles(), "utf-8")
    (folder / "notes.mp4").write_text("no video")
    (folder / "nothing.mp4").write_bytes(b"")
    root = folder / "data"
    sources = [video, folder / "notes.mp4", folder / "nothing.mp4"]
    recipe = with_values(internvid.recipes.default(), ["cut.filters.too_short.minimum=2.2"])
    internvid.build(sources, root, recipe, workers=1)
    internvid.caption(root, EchoCaptioner(), name="echo")
    internvid.score(root, "transcript")
    return internvid.open(root)


@pytest.fixture
def desk(spoken: Dataset, tmp_path: Path) -> Iterator[Desk]:
    root = tmp_path / "data"
    shutil.copytree(spoken.root, root)
    made = Desk(internvid.open(root), tmp_path, "tester")
    made.table.build()
    yield made
    made.close()


def spoken_clip(desk: Desk) -> dict[str, Any]:
    rows = desk.dataset.clips().to_pylist()
    return next(row for row in rows if row["transcript"])


def test_captions_stand_beside_each_other_with_what_made_them(desk: Desk) -> None:
    row = spoken_clip(desk)
    page = clip_page(desk, row["clip_id"])
    captions = {each["column"]: each for each in page["captions"]}
    assert set(captions) == {"measured", "echo"}
    for name, caption in captions.items():
        key = desk.dataset.record.columns[desk.dataset.record.cut or ""][name]
        assert caption["value"] == row[name]
        assert caption["made"]["key"] == key
        assert caption["bound"] == "yes"
        assert not caption["is_stale"]
    assert captions["echo"]["prompt_hash"]
    assert captions["echo"]["frames"]
    assert captions["echo"]["made"]["settings"]["prefix"] == "clip"
    units = {each["column"]: each["unit"] for each in page["signals"]}
    assert units["motion_mean"] == "levels/s"
    assert "clip_id" not in units


def test_a_text_that_was_moved_to_another_clip_is_not_bound(desk: Desk) -> None:
    import pyarrow as pa

    data = desk.dataset
    cut = data.record.cut or ""
    (file,) = data.layout.column_files(cut, data.record.columns[cut]["echo"], data.parts[0])
    table = pq.read_table(file)
    values = table["value"].to_pylist()
    at = table.column_names.index("value")
    moved = pa.array([*values[1:], values[0]], table.schema.field(at).type)
    pq.write_table(table.set_column(at, table.schema.field(at), moved), file)
    clip_id = table["clip_id"][0].as_py()
    page = clip_page(desk, clip_id)
    bound = {each["column"]: each["bound"] for each in page["captions"]}
    assert bound == {"echo": "seal", "measured": "yes"}


def test_other_rooms_add_to_the_page_of_a_clip(desk: Desk) -> None:
    clip_id = spoken_clip(desk)["clip_id"]
    desk.further_facts.append(lambda clip: {"audits": [{"id": clip, "answer": "keep"}]})
    assert clip_page(desk, clip_id)["audits"] == [{"id": clip_id, "answer": "keep"}]


def test_a_correction_has_its_author_and_its_time(desk: Desk) -> None:
    clip_id = spoken_clip(desk)["clip_id"]
    desk.verdicts.correct(clip_id, "measured", "first", "ann")
    desk.verdicts.correct(clip_id, "measured", "second", "bob")
    desk.verdicts.record(clip_id, "keep", "cara")
    desk.refresh_verdicts()
    page = clip_page(desk, clip_id)
    correction = next(each for each in page["captions"] if each["column"] == "measured")
    assert correction["correction"]["text"] == "second"
    assert correction["correction"]["author"] == "bob"
    assert correction["correction"]["at"]
    assert [each["author"] for each in page["history"]] == ["ann", "bob", "cara"]


def test_lines_of_a_transcript_have_the_times_of_the_subtitles(desk: Desk) -> None:
    row = spoken_clip(desk)
    page = clip_page(desk, row["clip_id"])
    lines = page["transcript"]["lines"]
    assert " ".join(line["text"] for line in lines) == row["transcript"]
    assert [line["start"] for line in lines] == row["transcript_starts"]
    known = {start: end for start, end, _ in LINES}
    assert all(line["end"] == pytest.approx(known[line["start"]]) for line in lines)


def test_stored_lines_need_no_subtitles(desk: Desk, spoken: Dataset) -> None:
    row = spoken_clip(desk)
    before = clip_page(desk, row["clip_id"])["transcript"]
    beside = spoken.root.parent / "film.srt"
    text = beside.read_text("utf-8")
    beside.write_text(text.replace("begins", "ends").replace("Rain", "Snow"), "utf-8")
    try:
        assert clip_page(desk, row["clip_id"])["transcript"] == before
    finally:
        beside.write_text(text, "utf-8")
    assert [line["end"] for line in before["lines"]] == row["transcript_ends"]
    # Lines that are not those of the text are not shown for it.
    extras = {"ends": [1.0], "lines": ["Other words."]}
    assert _as_stored([0.5], extras, "Other words.")
    assert _as_stored([0.5], extras, "It begins.") == []
    assert _as_stored([0.5, 2.0], extras, "Other words.") == []


def without_lines(dataset: Dataset) -> None:
    """The column of what is spoken as it was written before it had lines and their ends."""
    cut = dataset.record.cut or ""
    key = dataset.record.columns[cut]["transcript"]
    for file in dataset.layout.column_files(cut, key, dataset.parts[0]):
        pq.write_table(pq.read_table(file).drop_columns(["ends", "lines"]), file)
    extras = dataset.record.column_recipes[key]["extras"]
    for name in ("ends", "lines"):
        del extras[name]
    dataset.layout.write_record(dataset.record)


@pytest.mark.parametrize("is_changed", [False, True])
def test_an_older_column_takes_its_lines_from_subtitles_that_did_not_change(
    spoken: Dataset, tmp_path: Path, is_changed: bool
) -> None:
    root = tmp_path / "data"
    shutil.copytree(spoken.root, root)
    without_lines(internvid.open(root))
    desk = Desk(internvid.open(root), tmp_path, "tester")
    desk.table.build()
    row = spoken_clip(desk)
    assert "transcript_ends" not in row
    beside = spoken.root.parent / "film.srt"
    before = beside.read_text("utf-8")
    if is_changed:
        beside.write_text(before.replace("begins", "ends").replace("Rain", "Snow"), "utf-8")
    try:
        lines = clip_page(desk, row["clip_id"])["transcript"]["lines"]
    finally:
        beside.write_text(before, "utf-8")
        desk.close()
    if is_changed:
        assert [line["text"] for line in lines] == [row["transcript"]]
        assert lines[0]["start"] == row["transcript_starts"][0]
    else:
        known = {start: end for start, end, _ in LINES}
        assert all(line["end"] == pytest.approx(known[line["start"]]) for line in lines)


def test_words_of_recognised_speech_fall_into_their_lines() -> None:
    extras = {
        "words": [" It", " begins.", " A", " bell."],
        "word_starts": [0.0, 0.5, 2.0, 2.3],
        "word_ends": [0.4, 1.5, 2.2, 3.1],
    }
    lines = _by_words([0.0, 2.0], extras, "It begins. A bell.")
    assert [(line.start_seconds, line.end_seconds, line.text) for line in lines] == [
        (0.0, 1.5, "It begins."),
        (2.0, 3.1, "A bell."),
    ]
    assert _by_words([0.0, 2.0], extras, "Other words.") == []


def test_a_source_has_all_its_shots_and_curves_in_their_units(desk: Desk) -> None:
    row = spoken_clip(desk)
    page = clip_page(desk, row["clip_id"])
    expected = desk.dataset.sql(
        "select clip_id, kept, reason, transition from all_clips "
        f"where video_id = '{row['video_id']}' order by start_pts"
    ).fetchall()
    shown = [(one["clip_id"], one["kept"], one["reason"], one["transition"])
             for one in page["clips"]]  # fmt: skip
    assert shown == expected
    curves = {each["name"]: each for each in page["curves"]["columns"]}
    times = np.asarray(page["curves"]["times"])
    assert curves["loudness"]["unit"] == "dBFS"
    assert (np.diff(times) > 0).all()
    assert times[0] == pytest.approx(0, abs=0.05)
    seconds = page["source"]["duration_seconds"]
    assert times[-1] == pytest.approx(seconds, abs=0.2)
    stored = desk.dataset.sql(
        f"select avg(luma_mean) from timelines where video_id = '{row['video_id']}'"
    ).fetchall()[0][0]
    assert np.mean(curves["luma_mean"]["values"]) == pytest.approx(stored, rel=0.1)


def test_failed_sources_are_listed_filtered_and_searched(desk: Desk) -> None:
    every = failed_sources(desk, read_failed_query([("kept", "failed")]), 0)
    assert every["total"] == 2
    found = {Path(each["uri"]).name: each for each in every["sources"]}
    assert found["notes.mp4"]["reason"] == "not_media"
    assert found["notes.mp4"]["stage"] == "opening"
    assert found["nothing.mp4"]["reason"] == "empty"
    assert found["nothing.mp4"]["when"].startswith("20")
    assert {each["reason"]: each["sources"] for each in every["reasons"]} == {
        "not_media": 1,
        "empty": 1,
    }
    one = failed_sources(desk, read_failed_query([("reason", "empty")]), 0)
    assert [Path(each["uri"]).name for each in one["sources"]] == ["nothing.mp4"]
    # Other reasons stay on offer.
    assert len(one["reasons"]) == 2
    sought = failed_sources(desk, read_failed_query([("q", "NOTES")]), 0)
    assert [Path(each["uri"]).name for each in sought["sources"]] == ["notes.mp4"]
    assert failed_sources(desk, read_failed_query([]), 1)["sources"] == []
    assert stage_of("crashed", "failed") == "decoding"
    assert stage_of("duplicate", "duplicate") == "comparing"


def test_a_rejected_clip_among_marked_ones_spoils_the_whole(desk: Desk) -> None:
    rows = desk.dataset.clips(rejected=True).to_pylist()
    kept = next(row["clip_id"] for row in rows if row["kept"])
    rejected = next(row["clip_id"] for row in rows if not row["kept"])
    with pytest.raises(MisuseError, match="1 of 2 marked clips are rejected"):
        save_marked(desk, [kept, rejected], "odd")
    assert desk.dataset.subsets() == []
    assert save_marked(desk, [kept], "good")["clips"] == 1
