"""What is kept out of a selection: benchmarks by id, caption and picture; owners; licences."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path

import duckdb
import pytest

import internvid
from internvid.core.errors import ConfigInvalidError, SourceMissingError
from internvid.curate.exclusions.exclude import Exclude, contamination
from internvid.curate.exclusions.list_files import CAPTION_FIELDS, ID_FIELDS, listed_values
from internvid.curate.exclusions.similar_captions import CaptionIndex
from internvid.curate.exclusions.source_names import source_names
from internvid.dataset.store import Dataset
from internvid.synthetic.truth import World

ID = "GGSY1Qvo990"
ROWS = """
    (0, 'youtube:GGSY1Qvo990', 'a man rides a brown horse along the beach', 'CC-BY', 'Ann'),
    (1, 'video9770', 'A man rides, a brown horse: along the BEACH!', 'cc-by', 'Bob'),
    (2, 'other', 'two dogs play with a red ball in the snow', null, 'ann '),
    (3, 'v_-abc_12_345', null, 'all rights reserved', null)
"""


def a_table() -> duckdb.DuckDBPyRelation:
    connection = duckdb.connect()
    return connection.sql(
        "select row_key::ubigint as row_key, source_id, caption, licence, channel, 'x' as reason "
        f"from (values {ROWS}) t(row_key, source_id, caption, licence, channel) order by row_key"
    )


def reasons_of(exclude: Exclude) -> list[str | None]:
    chosen = exclude.select(a_table())
    assert chosen.columns == [*a_table().columns, "rejection"]
    rows = chosen.order("row_key").fetchall()
    assert [row[0] for row in rows] == [0, 1, 2, 3]
    return [row[-1] for row in rows]


@pytest.mark.parametrize(
    "text",
    [
        ID,
        f"youtube:{ID}",
        f"https://www.youtube.com/watch?v={ID}&t=4",
        f"https://youtu.be/{ID}?si=x",
        f"https://m.youtube.com/shorts/{ID}",
        f"v_{ID}",
        f"{ID}_000010_000020",
        f"{ID}_210.0_360.0",
        f"/videos/{ID}.15.mp4",
        f"folder/v_{ID}.mkv",
    ],
)
def test_an_id_is_known_however_it_is_written(text: str) -> None:
    assert f"youtube:{ID}" in source_names(text)


def test_names_that_are_no_ids_stay_themselves() -> None:
    assert source_names("/x/video9770.mp4") == {"/x/video9770.mp4", "video9770"}
    assert source_names("video97") & source_names("video977") == set()
    assert not any("youtube" in name for name in source_names("a_b_0_30.mp4"))
    assert "watch" not in source_names(f"https://www.youtube.com/watch?v={ID}")
    assert source_names(" ") == frozenset()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.txt", f"{ID}\n\nvideo9770\n"),
        ("a.csv", f"key,video_id,sentence\n1,{ID},x\n2,video9770,y\n"),
        ("bare.csv", f"{ID}\nvideo9770\n"),
        ("a.tsv", f"caption\tvid\nx\t{ID}\ny\tvideo9770\n"),
        ("a.jsonl", f'{{"qid": 1, "vid": "{ID}"}}\n{{"qid": 2, "vid": "video9770"}}\n'),
        ("a.json", json.dumps([{"video": ID, "id": 7}, {"video": "video9770", "id": 8}])),
        ("list.json", json.dumps([ID, "video9770"])),
        ("keyed.json", json.dumps({ID: {"duration": 3}, "video9770": {"duration": 4}})),
        ("deep.json", json.dumps({"videos": [{"video_id": ID}, {"video_id": "video9770"}]})),
        ("anet.json", json.dumps({"version": 1, "database": {ID: {"a": []}, "video9770": {}}})),
    ],
)
def test_ids_are_read_from_lists_of_every_usual_form(name: str, text: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    assert listed_values(tmp_path / name, ID_FIELDS) == [ID, "video9770"]


def test_public_lists_are_read(media: Path) -> None:
    texts = media / "text"
    assert "video9770" in listed_values(texts / "msrvtt_1kA_test.csv", ID_FIELDS)
    assert len(listed_values(texts / "msrvtt_1kA_test.csv", CAPTION_FIELDS)) == 995
    assert len(listed_values(texts / "didemo_val.json", CAPTION_FIELDS)) == 4150
    assert "2112613909.mp4" in listed_values(texts / "clipshots_only_gradual.json", ID_FIELDS)
    moments = listed_values(texts / "qvhighlights_val.jsonl", ID_FIELDS)
    assert "youtube:NUsG9BgSes0" in source_names(moments[0])


@pytest.mark.parametrize("text", ["", "[1.5]", "{", '{"qid": 1}\n{"qid": 2'])
def test_a_list_that_says_nothing_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "list.jsonl"
    path.write_text(text)
    with pytest.raises(ConfigInvalidError, match=r"list\.jsonl"):
        listed_values(path, ID_FIELDS)
    with pytest.raises(SourceMissingError, match="no list"):
        listed_values(tmp_path / "nowhere.txt", ID_FIELDS)


def test_every_reason_and_the_first_of_several(tmp_path: Path) -> None:
    ids, captions, owners = (tmp_path / name for name in ("ids.txt", "captions.txt", "owners.txt"))
    ids.write_text(f"https://youtu.be/{ID}\n-abc_12_345\n")
    captions.write_text("A man rides a brown horse along the beach.\n")
    owners.write_text("ANN\n")
    with pytest.raises(ConfigInvalidError, match="not told what to exclude"):
        reasons_of(Exclude())
    assert reasons_of(Exclude(ids=str(ids))) == ["excluded_id", None, None, "excluded_id"]
    assert reasons_of(Exclude(benchmark_ids=str(ids)))[0] == "contaminated_id"
    said = ["contaminated_caption", "contaminated_caption", None, None]
    assert reasons_of(Exclude(captions=str(captions))) == said
    owned = ["excluded_owner", None, "excluded_owner", None]
    assert reasons_of(Exclude(owners=str(owners))) == owned
    licensed = Exclude(licences=("CC-BY",))
    assert reasons_of(licensed) == [None, None, "licence", "licence"]
    known = Exclude(licences=("CC-BY",), unknown_licence=True)
    assert reasons_of(known) == [None, None, None, "licence"]
    every = Exclude(ids=str(ids), captions=str(captions), owners=str(owners), licences=("CC-BY",))
    assert reasons_of(every) == [
        "excluded_id", "contaminated_caption", "excluded_owner", "excluded_id",
    ]  # fmt: skip
    found = every.findings(a_table()).to_pylist()
    assert [row["reason"] for row in found if row["row_key"] == 0] == [
        "excluded_id", "excluded_owner", "contaminated_caption",
    ]  # fmt: skip
    assert found[0]["matched"] == f"https://youtu.be/{ID}"


def test_texts_of_others_are_no_sql(tmp_path: Path) -> None:
    connection = duckdb.connect()
    table = connection.sql(
        "select 0::ubigint as row_key, 'it''s \"me\"; drop table x' as source_id, 'a' as caption"
    )
    path = tmp_path / "ids.txt"
    path.write_text('it\'s "me"; drop table x\n')
    assert Exclude(ids=str(path)).select(table).fetchall()[0][-1] == "excluded_id"


def test_a_table_without_the_column_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_text("one two three four five\n")
    table = duckdb.connect().sql("select 0::ubigint as row_key, 'a' as other")
    for exclude, column in (
        (Exclude(ids=str(path)), "source_id"),
        (Exclude(captions=str(path)), "caption"),
        (Exclude(owners=str(path), owner_column="maker"), "maker"),
        (Exclude(licences=("mit",)), "licence"),
    ):
        with pytest.raises(ConfigInvalidError, match=column):
            exclude.select(table)
    with pytest.raises(ConfigInvalidError, match="of a dataset only"):
        Exclude(videos=str(tmp_path)).select(table)
    with pytest.raises(ConfigInvalidError, match="likeness"):
        Exclude(likeness=0)


def test_no_caption_that_is_alike_is_missed() -> None:
    draw = random.Random(3)
    words = [f"w{at}" for at in range(30)]
    listed = [" ".join(draw.sample(words, draw.randint(5, 14))) for _ in range(200)]
    asked = [" ".join(draw.sample(words, draw.randint(5, 14))) for _ in range(200)]
    # One word more or less than a listed one.
    asked += [" ".join(text.split()[1:]) for text in listed[:50]]
    asked += [f"{text} {draw.choice(words)}" for text in listed[50:100]]
    for least in (0.6, 0.8, 0.9, 1.0):
        index = CaptionIndex(listed, least)
        for text in asked:
            one = set(text.split())
            alike = [
                len(one & two) / len(one | two) for two in (set(other.split()) for other in listed)
            ]
            wanted = len(one) >= 5 and max(alike) >= least - 1e-12
            found = index.nearest(text)
            assert (found is not None) == wanted, (text, least)
            if found is not None:
                other = set(found.split())
                assert len(one & other) / len(one | other) == max(alike)
    assert CaptionIndex(["a man is talking"]).nearest("a man is talking") is None


def test_clips_that_show_a_benchmarks_pictures_are_found(
    dataset: Dataset, world: World, tmp_path: Path
) -> None:
    copy = "copy-reencoded.mp4"
    (tmp_path / "bench").mkdir()
    shutil.copy(world.path(copy), tmp_path / "bench" / copy)
    (tmp_path / "bench" / "notes.txt").write_text("no video")
    found = contamination(dataset, Exclude(videos=str(tmp_path / "bench"))).to_pylist()
    names = {
        row["clip_id"]: Path(row["uri"]).name
        for row in dataset.clips_relation(of_video=["uri"]).to_arrow_table().to_pylist()
    }
    hit = {names[row["clip_id"]] for row in found}
    assert hit == {copy, world.videos[0].name}
    assert {row["reason"] for row in found} == {"contaminated_pictures"}
    assert {Path(row["matched"]).name for row in found} == {copy}
    internvid.build([str(tmp_path / "bench" / copy)], tmp_path / "data", workers=1)
    again = contamination(dataset, Exclude(videos=str(tmp_path / "data"))).to_pylist()
    assert {names[row["clip_id"]] for row in again} == hit
    numbered = dataset.clips_relation().project(
        "*, (row_number() over (order by clip_id))::ubigint as row_key"
    )
    exclude = Exclude(videos=str(tmp_path / "data")).of_dataset(dataset)
    chosen = exclude.select(numbered).project("clip_id, rejection").fetchall()
    assert {clip_id for clip_id, reason in chosen if reason} == {row["clip_id"] for row in again}
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceMissingError, match="no video"):
        contamination(dataset, Exclude(videos=str(tmp_path / "empty")))


def test_a_selection_finds_listed_files_and_their_copies(world: World, tmp_path: Path) -> None:
    # `uri` and metadata stand in the table of videos; a copy of the same bytes is not scanned.
    folder, listed = tmp_path / "videos", tmp_path / "ids.txt"
    folder.mkdir()
    first, second = (world.path(video.name) for video in world.videos[:2])
    for name in ("0.mp4", f"{ID}.15.mp4"):
        shutil.copy(first, folder / name)
    shutil.copy(second, folder / "v_-abc_123456.mp4")
    sources = tmp_path / "sources.csv"
    sources.write_text(
        f"uri,channel\nvideos/0.mp4,Ann\nvideos/{ID}.15.mp4,Ann\nvideos/v_-abc_123456.mp4,Bob\n"
    )
    internvid.build(str(sources), tmp_path / "data", workers=1)
    data = internvid.open(tmp_path / "data")
    by_uri = {row["uri"] for row in data.videos().to_pylist() if row["status"] == "ok"}
    assert {Path(uri).name for uri in by_uri} == {"0.mp4", "v_-abc_123456.mp4"}
    listed.write_text(f"https://youtu.be/{ID}\n")
    one = internvid.select(data, Exclude(benchmark_ids=str(listed)), "one")
    assert (
        one.reasons["contaminated_id"]
        == data.sql(
            "select count(*) from clips join videos using (video_id) "
            "where status = 'ok' and uri like '%/0.mp4'"
        ).fetchall()[0][0]
    )
    listed.write_text("-abc_123456\n")
    two = internvid.select(data, "exclude", "two", settings=[f"benchmark_ids={listed}"])
    assert (two.clips, two.rejected) == (one.rejected, one.clips)
    assert len(contamination(data, Exclude(benchmark_ids=str(listed)))) == two.rejected
    listed.write_text("Bob\n")
    chained = internvid.select(data, "where", "three", "kept", then=[f"exclude owners={listed}"])
    assert chained.reasons == {"excluded_owner": two.rejected}
