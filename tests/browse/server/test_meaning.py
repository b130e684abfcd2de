"""Clips are found by vectors and by the pictures they show, with all other conditions."""

from __future__ import annotations

import io
import struct
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
from starlette.testclient import TestClient

import internvid
from internvid.browse.server.conditions import AddressUnreadableError, read_query
from internvid.browse.server.desk import Desk
from internvid.browse.server.meaning.picture_copies import SamePicturesOf
from internvid.browse.server.meaning.uploaded_pictures import MOST_PICTURES
from internvid.browse.server.meaning.waiting import Once, StillWorkingError
from internvid.browse.server.subsets.subset_saving import save_subset
from internvid.core.errors import MisuseError
from internvid.dataset.store import Dataset
from internvid.searching.query import open_search
from tests.browse.server.embedded import embedded_copy
from tests.browse.server.test_access import WRITING, client


@pytest.fixture(scope="module")
def places(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return embedded_copy(dataset, tmp_path_factory.mktemp("embedded"))


@pytest.fixture(scope="module")
def desk(places: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    root, model = places
    made = Desk(internvid.open(root), tmp_path_factory.mktemp("desk"), "tester", model=str(model))
    made.table.build()
    yield made
    made.close()


def patiently(work: Callable[[], Any]) -> Any:
    """What comes of work once models and vectors are there."""
    for _ in range(600):
        try:
            return work()
        except StillWorkingError:
            time.sleep(0.1)
    raise AssertionError("it never became ready")


def found(desk: Desk, *fields: tuple[str, str], page: int = 0) -> list[dict[str, Any]]:
    query = read_query(fields, desk.table.facets)
    return list(patiently(lambda: desk.page(query, page)))


def ids(desk: Desk, condition: str = "true") -> list[str]:
    rows = desk.dataset.sql(f"select clip_id from clips where {condition} order by clip_id")
    return [clip_id for (clip_id,) in rows.fetchall()]


def test_a_clip_finds_itself_and_then_what_search_finds(desk: Desk) -> None:
    clip = ids(desk)[2]
    search = open_search(desk.dataset)
    row = desk.dataset.sql(f"select value from column_embedding where clip_id = '{clip}'")
    hits = search.by_vector(np.array(row.fetchall()[0][0]), 10_000)
    shown = found(desk, ("near", clip))
    assert shown[0]["clip_id"] == clip
    assert [each["clip_id"] for each in shown] == [each.clip_id for each in hits][:60]
    scores = [each["score"] for each in shown]
    assert scores == pytest.approx([each.score for each in hits][:60], abs=1e-3)
    total = desk.table.totals(read_query([("near", clip)], desk.table.facets)).clips
    assert total == len(ids(desk))


def test_a_text_and_a_picture_find_what_search_finds(
    desk: Desk, places: tuple[Path, Path], tmp_path: Path
) -> None:
    search = open_search(desk.dataset, model=str(places[1]))
    by_text = search.by_text("a red ball", 5)
    assert [each["clip_id"] for each in found(desk, ("like", "a red ball"))][:5] == [
        each.clip_id for each in by_text
    ]
    picture = next(desk.dataset.jpegs(ids(desk)[0]))[1]
    (tmp_path / "one.jpg").write_bytes(picture)
    by_file = search.by_file(tmp_path / "one.jpg", 1)
    name = desk.finder.pictures.add(picture)
    best = found(desk, ("picture", name))[0]
    assert best["score"] == pytest.approx(by_file[0].score, abs=0.02)


def test_filters_subsets_limits_and_orders_hold_among_the_nearest(desk: Desk) -> None:
    clip = ids(desk)[0]
    every = {each["clip_id"]: each["score"] for each in found(desk, ("near", clip))}
    some = found(desk, ("near", clip), ("duration_seconds", "2.."))
    wanted = set(ids(desk, "duration_seconds >= 2"))
    assert [each["clip_id"] for each in some] == [one for one in every if one in wanted]
    assert 0 < len(some) < len(every)
    limit = str((max(every.values()) + min(every.values())) / 2)
    nearest = [one for one, score in every.items() if score >= float(limit)]
    near = found(desk, ("near", clip), ("least", limit))
    assert [each["clip_id"] for each in near] == nearest
    assert 0 < len(nearest) < len(every)
    sorted_ones = found(desk, ("near", clip), ("sort", "-duration_seconds"))
    lengths = [each["end_seconds"] - each["start_seconds"] for each in sorted_ones]
    assert lengths == sorted(lengths, reverse=True)
    assert {each["clip_id"] for each in sorted_ones} == set(every)
    assert len(found(desk, ("near", clip), ("kept", "all"))) == len(every)
    assert found(desk, ("near", clip), ("kept", "rejected")) == []
    histogram = desk.table.histogram(
        desk.table.facets["duration_seconds"],
        read_query([("near", clip), ("duration_seconds", "2..")], desk.table.facets),
    )
    assert sum(histogram.counts) == len(every)
    desk.verdicts.record(nearest[0], "keep", "ann")
    desk.refresh_verdicts()
    query = read_query([("near", clip), ("least", limit)], desk.table.facets)
    values = dict(desk.table.values(desk.table.facets["verdict"], query))
    assert values["keep"] == 1
    kept = found(desk, ("near", clip), ("verdict", "keep"))
    assert [each["clip_id"] for each in kept] == nearest[:1]
    desk.verdicts.record(nearest[0], None, "ann")
    desk.refresh_verdicts()
    assert found(desk, ("near", clip), ("verdict", "keep")) == []
    assert save_subset(desk, query, "near-one")["clips"] == len(nearest)
    assert set(desk.subset_places("near-one")) == set(nearest)
    inside = found(desk, ("near", clip), ("subset", "near-one"))
    assert [each["clip_id"] for each in inside] == nearest


def test_a_dataset_without_vectors_says_what_makes_them(dataset: Dataset, tmp_path: Path) -> None:
    desk = Desk(dataset, tmp_path, "tester")
    desk.table.build()
    with pytest.raises(MisuseError) as raised:
        found(desk, ("like", "a dog"))
    assert "internvid embed" in (raised.value.hint or "")
    answer = client(desk).get("/api/map")
    assert [each.split()[1] for each in answer.json()["commands"]] == ["embed", "map"]
    assert client(desk).get("/map").status_code == 200
    desk.close()


def test_a_model_that_is_not_there_is_named_and_near_works_without(
    places: tuple[Path, Path], tmp_path: Path
) -> None:
    desk = Desk(internvid.open(places[0]), tmp_path, "tester")
    desk.table.build()
    for _ in range(2):  # the second time is tried anew
        with pytest.raises(MisuseError, match="not recorded") as raised:
            found(desk, ("like", "a dog"))
        assert "--model" in (raised.value.hint or "")
    clip = ids(desk)[0]
    assert found(desk, ("near", clip))[0]["clip_id"] == clip
    desk.close()


def test_pages_hear_that_something_is_being_made_ready() -> None:
    begun: list[int] = []

    def work(say: Callable[[str], None]) -> int:
        say("it begins")
        begun.append(1)
        time.sleep(0.2)
        return 7

    once = Once(work)
    with pytest.raises(StillWorkingError, match="it begins"):
        once.get(patience=0.05)
    assert patiently(once.get) == 7
    assert once.get() == 7
    assert begun == [1]


@pytest.mark.parametrize(
    "fields",
    [
        {"near": "../.."},
        {"near": "../../etc/passwd"},
        {"near": "0" * 32},
        {"near": "x'; drop table clips; --"},
        {"picture": "0" * 32},
        {"picture": "../../../etc/passwd"},
        {"same": "../.."},
        {"like": "a", "near": "0" * 32},
        {"like": "a", "vectors": "unknown"},
        {"like": "a", "vectors": '"; drop table clips; --'},
        {"like": "a", "least": "much"},
        {"like": "a", "least": "nan"},
    ],
)
def test_addresses_that_say_nothing_are_refused(desk: Desk, fields: dict[str, str]) -> None:
    answer = client(desk).get("/api/clips", params=fields)
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]
    assert desk.table.totals(read_query([], desk.table.facets)).clips == len(ids(desk))


def png(width: int, height: int, body: bytes) -> bytes:
    """A picture that states a size, whatever its body is."""

    def chunk(name: bytes, data: bytes) -> bytes:
        crc = zlib.crc32(name + data)
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", crc)

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def archive() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("picture.png", b"x" * 1000)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (archive(), "no picture"),
        (b"", "no picture"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "no picture"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "no picture"),
        (png(60_000, 60_000, zlib.compress(b"")), "million pixels"),
        (png(12_000, 12_000, zlib.compress(b"")), "million pixels"),
        (png(64, 64, b"broken"), "broken"),
        (png(64, 64, zlib.compress(b"\0" * 10)), "broken"),
    ],
    ids=["zip", "empty", "svg", "postscript", "huge", "bomb", "damaged", "short"],
)
def test_an_upload_that_is_no_fit_picture_is_refused(desk: Desk, data: bytes, words: str) -> None:
    answer = client(desk).post("/api/pictures", content=data, headers=WRITING)
    assert answer.status_code == 400
    assert words in answer.json()["error"]


def test_an_upload_needs_the_token_and_is_bounded(desk: Desk) -> None:
    small = upload_bytes(0)
    assert client(desk).post("/api/pictures", content=small).status_code == 403
    large = client(desk).post("/api/pictures", content=bytes((16 << 20) + 1), headers=WRITING)
    assert large.status_code == 413
    # It changes nothing of the dataset: those who only read can search by pictures too.
    reading = client(desk, read_only=True)
    assert reading.post("/api/pictures", content=small).status_code == 403
    answer = reading.post("/api/pictures", content=small, headers=WRITING)
    assert answer.status_code == 200
    shown = reading.get(f"/api/pictures/{answer.json()['picture']}.jpg")
    assert PIL.Image.open(io.BytesIO(shown.content)).size == (32, 24)
    assert reading.get("/api/pictures/..%2f..%2fetc%2fpasswd.jpg").status_code in (400, 404)


def upload_bytes(shade: int) -> bytes:
    buffer = io.BytesIO()
    PIL.Image.new("RGB", (32, 24), (shade, shade, shade)).save(buffer, "PNG")
    return buffer.getvalue()


def test_the_oldest_pictures_go_first(desk: Desk) -> None:
    pictures = desk.finder.pictures
    names = [pictures.add(upload_bytes(shade)) for shade in range(MOST_PICTURES + 2)]
    assert len(set(names)) == len(names)
    with pytest.raises(AddressUnreadableError, match="choose it again"):
        pictures.get(names[0])
    assert pictures.get(names[-1]).size == (32, 24)


def test_the_same_pictures_are_those_of_dedup(
    dataset: Dataset, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    import shutil

    root = tmp_path / "data"
    shutil.copytree(dataset.root, root)
    without = internvid.open(root)
    by_pictures = {clip: SamePicturesOf(without).of(clip) for clip in ids_of(without)}
    internvid.dedup(root, crops=False)
    marked = internvid.open(root)
    by_column = {clip: SamePicturesOf(marked).of(clip) for clip in ids_of(marked)}
    assert sum(bool(each.copies) for each in by_column.values()) > 2
    for clip, known in by_column.items():
        assert known.column == "duplicate"
        assert {each.clip_id for each in by_pictures[clip].copies} <= {
            each.clip_id for each in known.copies
        }
        assert bool(by_pictures[clip].copies) == bool(known.copies)
        assert by_pictures[clip].parts_read == by_pictures[clip].parts > 0
    desk = Desk(without, tmp_path_factory.mktemp("desk"), "tester")
    desk.table.build()
    clip = next(clip for clip, each in by_pictures.items() if each.copies)
    answer = client(desk).get(f"/api/same/{clip}").json()
    assert [each["clip_id"] for each in answer["clips"]]
    assert {each["clip_id"] for each in answer["clips"]} == {
        each.clip_id for each in by_pictures[clip].copies
    }
    assert answer["hint"].startswith("internvid dedup")
    shown = desk.page(read_query([("same", clip)], desk.table.facets), 0)
    assert {each["clip_id"] for each in shown} == {
        clip,
        *(each.clip_id for each in by_pictures[clip].copies),
    }
    assert client(desk).get("/api/same/..%2f..").status_code == 404
    desk.close()


def ids_of(dataset: Dataset) -> list[str]:
    rows = dataset.sql("select clip_id from clips order by clip_id").fetchall()
    return [clip_id for (clip_id,) in rows]


def test_time_for_comparing_pictures_is_bounded(dataset: Dataset) -> None:
    clip = ids_of(dataset)[0]
    hurried = SamePicturesOf(dataset, seconds=0.0).of(clip)
    # The part that has the clip is always read.
    assert hurried.parts_read == 1
    assert not SamePicturesOf(dataset).of("0" * 32).is_compared


def map_columns(desk: Desk) -> dict[str, tuple[float, float]]:
    rows = desk.dataset.sql("select clip_id, map_x, map_y from clips where map_x is not null")
    return {clip: (x, y) for clip, x, y in rows.fetchall()}


def part_of(browser: TestClient, **fields: str) -> tuple[str, dict[str, np.ndarray[Any, Any]]]:
    answer = browser.get("/api/map/part", params=fields)
    assert answer.status_code == 200, answer.text
    kind, data = answer.headers["x-map-kind"], answer.content
    count = len(data) // 9
    assert len(data) == 9 * count
    number = "<f4" if kind == "points" else "<u4"
    names = ("x", "y", "shade") if kind == "points" else ("cell", "clips", "shade")
    return kind, {
        names[0]: np.frombuffer(data, number, count),
        names[1]: np.frombuffer(data, number, count, 4 * count),
        names[2]: np.frombuffer(data, "u1", count, 8 * count),
    }


def test_a_map_has_the_clips_where_the_columns_say(desk: Desk) -> None:
    browser, places = client(desk), map_columns(desk)
    facts = browser.get("/api/map", params={"colour": "is_dark"}).json()
    assert facts["maps"] == ["map"]
    assert facts["clips"] == len(places) > 5
    assert facts["shades"]["words"] == ["no", "yes"]
    kind, points = part_of(browser, box="-2,2,-2,2", colour="duration_seconds")
    assert kind == "points"
    assert sorted(zip(points["x"].tolist(), points["y"].tolist(), strict=True)) == sorted(
        (float(np.float32(x)), float(np.float32(y))) for x, y in places.values()
    )
    assert points["shade"].min() == 0
    assert points["shade"].max() == 254
    filtered = {"box": "-2,2,-2,2", "duration_seconds": "2..", "map_x": "5..6"}
    _, some = part_of(browser, **filtered)
    assert len(some["x"]) == len(ids(desk, "duration_seconds >= 2"))


def test_a_map_has_the_nearest_clips_and_verdicts_as_colours(desk: Desk) -> None:
    clip = ids(desk)[0]
    every = {each["clip_id"]: each["score"] for each in found(desk, ("near", clip))}
    limit = str((max(every.values()) + min(every.values())) / 2)
    _, near = part_of(client(desk), box="-2,2,-2,2", near=clip, least=limit)
    assert len(near["x"]) == sum(score >= float(limit) for score in every.values())
    desk.verdicts.record(clip, "keep", "ann")
    desk.refresh_verdicts()
    fields = {"box": "-2,2,-2,2", "colour": "verdict"}
    assert client(desk).get("/api/map", params=fields).json()["shades"]["words"] == ["keep"]
    _, shown = part_of(client(desk), **fields)
    assert sorted(shown["shade"].tolist()) == [0, *[255] * (len(every) - 1)]
    desk.verdicts.record(clip, None, "ann")
    desk.refresh_verdicts()


def test_pages_say_that_columns_are_still_copied(places: tuple[Path, Path], tmp_path: Path) -> None:
    desk = Desk(internvid.open(places[0]), tmp_path, "tester")
    clip = ids(desk)[0]
    for path in ("/api/map", f"/api/clips?near={clip}"):
        answer = client(desk).get(path)
        assert answer.status_code == 202
        assert answer.json()["waiting"]
        assert "copied" in answer.json()["error"]
    desk.table.build()
    assert client(desk).get("/api/map").status_code == 200
    desk.close()


def test_many_clips_are_counted_by_cell(desk: Desk) -> None:
    from internvid.browse.server.meaning.map_view import CELLS, Box, MapView

    view, query = MapView(desk.dataset, desk.table, most_points=2), read_query([], {})
    box = Box(-1.5, 1.5, -1.0, 1.0)
    part = view.part(query, "map", box, "is_dark")
    assert part.kind == "density"
    count = len(part.data) // 9
    cells = np.frombuffer(part.data, "<u4", count)
    clips = np.frombuffer(part.data, "<u4", count, 4 * count)
    expected: dict[int, int] = {}
    for x, y in map_columns(desk).values():
        column = min(CELLS - 1, int((np.float32(x) - box.left) / 3.0 * CELLS))
        row = min(CELLS - 1, int((np.float32(y) - box.low) / 2.0 * CELLS))
        expected[row * CELLS + column] = expected.get(row * CELLS + column, 0) + 1
    assert dict(zip(cells.tolist(), clips.tolist(), strict=True)) == expected
    assert part.clips == sum(expected.values())


def test_the_clip_under_the_pointer_is_the_nearest(desk: Desk) -> None:
    browser = client(desk)
    for clip, (x, y) in list(map_columns(desk).items())[:4]:
        shown = browser.get("/api/map/clip", params={"at": f"{x + 1e-5},{y},0.01"}).json()["clip"]
        assert shown["clip_id"] == clip
    assert browser.get("/api/map/clip", params={"at": "50,50,0.1"}).json()["clip"] is None


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/api/map", {"map": "../.."}),
        ("/api/map", {"colour": "measured"}),
        ("/api/map", {"colour": "x; drop table clips"}),
        ("/api/map/part", {}),
        ("/api/map/part", {"box": "0,1,0"}),
        ("/api/map/part", {"box": "0,1,0,inf"}),
        ("/api/map/part", {"box": "0,1,0,1);--"}),
        ("/api/map/clip", {"at": "0,1,nan"}),
        ("/api/map/clip", {"at": "0,1"}),
    ],
)
def test_a_map_that_there_is_not_is_refused(desk: Desk, path: str, fields: dict[str, str]) -> None:
    answer = client(desk).get(path, params=fields)
    assert answer.status_code == 400
    assert answer.json()["error"]
