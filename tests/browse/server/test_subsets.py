"""Subsets in pages: what was marked is what is saved, comparisons are those of `diff`."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

import internvid
from internvid.browse.server.access import Access, Gate
from internvid.browse.server.application import make_application
from internvid.browse.server.desk import Desk
from internvid.browse.server.subsets.subset_saving import MOST_MARKED
from internvid.dataset.store import Dataset
from internvid.dataset.subset_files import subset_facts
from tests.browse.server.test_access import HOME, PORT, WRITING


@pytest.fixture(scope="module")
def desk(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    folder = tmp_path_factory.mktemp("subsets")
    root = folder / "data"
    shutil.copytree(dataset.root, root)
    data = internvid.open(root)
    internvid.select(data, "where", "long", "duration_seconds > 2")
    internvid.select(data, "where", "still-camera", "camera_move = 'static'")
    internvid.select(data, "random", "strict", 3, then=["cap 1"], with_rejected=True)
    internvid.select(data, "random", "some", 5, seed=3)
    made = Desk(data, folder, "tester")
    made.table.build()
    yield made
    made.close()


@pytest.fixture
def page(desk: Desk) -> TestClient:
    access = Access(PORT, token="secret")
    gate = Gate(make_application(desk, access), access)
    made = TestClient(gate, base_url=HOME, raise_server_exceptions=False)
    made.cookies.set(access.cookie, "secret", domain="127.0.0.1")
    return made


def save(page: TestClient, name: str, clips: Any) -> Any:
    return page.post("/api/subsets", json={"name": name, "clips": clips}, headers=WRITING)


def ids(desk: Desk, subset: str | None = None) -> list[str]:
    found: list[str] = desk.dataset.clips(subset)["clip_id"].to_pylist()
    return found


def test_marked_clips_are_a_subset_of_exactly_these(page: TestClient, desk: Desk) -> None:
    marked = ids(desk)[1::3]
    answer = save(page, "marked", [*marked, marked[0]])
    assert answer.json()["clips"] == len(marked)
    assert ids(desk, "marked") == marked
    chosen = internvid.select(desk.dataset, "where", "of-marked", "true", subset="marked")
    assert chosen.clips == len(marked)
    facts = subset_facts(desk.dataset.layout, "marked")
    # The recipe tells one list from another without naming a clip.
    assert facts["recipe"]["selector"]["fields"].keys() == {"clips", "digest"}
    assert save(page, "marked", marked).status_code == 200
    assert "another recipe" in save(page, "marked", marked[1:]).json()["error"]
    assert ids(desk, "marked") == marked


@pytest.mark.parametrize(
    "clips",
    [
        [],
        "abc",
        ["0" * 32],
        ["x"],
        ["'); drop table clips; --"],
        [["a"]],
        [1],
        ["0" * 31 + "\n"],
        [f"{number:032x}" for number in range(100_000)],
    ],
)
def test_what_is_no_list_of_clips_of_the_dataset_is_refused(
    page: TestClient, desk: Desk, clips: Any
) -> None:
    before = desk.dataset.subsets()
    answer = save(page, "odd", clips)
    assert answer.status_code == 400
    assert answer.json()["error"]
    assert desk.dataset.subsets() == before


def test_one_foreign_clip_spoils_the_whole(page: TestClient, desk: Desk) -> None:
    kept = ids(desk)[0]
    assert "no such clips: 1 of 2" in save(page, "odd", [kept, "f" * 32]).json()["error"]
    assert "odd" not in desk.dataset.subsets()
    assert len(desk.dataset) <= MOST_MARKED < 100_000


def test_a_list_says_how_each_subset_was_made(page: TestClient, desk: Desk) -> None:
    listed = page.get("/api/subsets").json()
    assert listed["clips"] == len(desk.dataset)
    found = {each["name"]: each for each in listed["subsets"]}
    assert found["long"]["selector"] == "Where"
    assert {"name": "condition", "value": "duration_seconds > 2"} in found["long"]["fields"]
    assert found["long"]["clips"] == len(ids(desk, "long"))
    assert found["some"]["is_current"]
    # Facts that were lost: the ids are counted.
    path = desk.dataset.subset_path("some").with_suffix(".json")
    text = path.read_text("utf-8")
    path.write_text("{}")
    try:
        again = {each["name"]: each for each in page.get("/api/subsets").json()["subsets"]}
    finally:
        path.write_text(text)
    assert again["some"]["clips"] == len(ids(desk, "some"))
    assert not again["some"]["is_known"]


@pytest.mark.parametrize(
    ("a", "b"),
    [("long", "still-camera"), ("long", ""), ("", "some"), ("long", "strict"), ("strict", "")],
)
def test_a_comparison_counts_what_diff_counts(page: TestClient, desk: Desk, a: str, b: str) -> None:
    root = desk.dataset.root
    sides = [f"{root}:{name}" if name else str(root) for name in (a, b)]
    expected = internvid.diff(*sides)
    found = page.get("/api/compare", params={"a": a, "b": b}).json()
    for name in ("a", "b"):
        assert found[name] == pytest.approx(expected[name])
    for name in ("shared", "only_a", "only_b"):
        assert found[name]["clips"] == expected[name]  # type: ignore[literal-required]
    mine, others = (set(ids(desk, name or None)) for name in (a, b))
    hours = desk.dataset.clips()
    lengths = dict(zip(hours["clip_id"].to_pylist(), hours["duration_seconds"].to_pylist(),
                       strict=True))  # fmt: skip
    only = sum(lengths[each] for each in mine - others)
    assert found["only_a"]["hours"] == pytest.approx(only / 3600, abs=1e-5)
    why = page.get("/api/compare/reasons", params={"a": a, "b": b}).json()
    assert why["only_a_reasons"] == expected["only_a_reasons"]
    assert why["only_b_reasons"] == expected["only_b_reasons"]


def test_columns_and_samples_are_those_of_the_sides(page: TestClient, desk: Desk) -> None:
    sides = {"a": "long", "b": ""}
    number = page.get("/api/compare/column/duration_seconds", params=sides).json()
    assert sum(number["a"]) == len(ids(desk, "long"))
    assert sum(number["b"]) == len(ids(desk))
    assert all(few <= many for few, many in zip(number["a"], number["b"], strict=True))
    words = page.get("/api/compare/column/camera_move", params=sides).json()["values"]
    assert sum(each["b"] for each in words) == len(ids(desk))
    ((mean,),) = desk.dataset.sql("select avg(duration_seconds) from clips").fetchall()
    assert number["mean_b"] == pytest.approx(mean)
    assert number["mean_a"] > mean
    rest = set(ids(desk)) - set(ids(desk, "long"))
    first, again, other = (
        page.get("/api/compare/sample/b", params={**sides, "seed": seed}).json()["clips"]
        for seed in (0, 0, 1)
    )
    assert {each["clip_id"] for each in first} <= rest
    assert len(first) == min(12, len(rest)) > 0
    assert [each["clip_id"] for each in first] == [each["clip_id"] for each in again]
    assert {each["clip_id"] for each in other} <= rest
    assert page.get("/api/compare/sample/a", params=sides).json()["clips"] == []


@pytest.mark.parametrize(
    ("path", "fields", "status"),
    [
        ("", {"a": "long", "b": "long"}, 400),
        ("", {"a": "../../etc", "b": ""}, 400),
        ("", {"a": "'", "b": ""}, 400),
        ("/column/nothing", {"a": "long", "b": ""}, 404),
        ("/column/measured", {"a": "long", "b": ""}, 404),
        ("/sample/c", {"a": "long", "b": ""}, 404),
        ("/sample/a", {"a": "long", "b": "", "seed": "-1"}, 400),
        ("/reasons", {"a": "none-of-it", "b": ""}, 400),
    ],
)
def test_comparisons_of_nothing_are_refused(
    page: TestClient, path: str, fields: dict[str, str], status: int
) -> None:
    assert page.get(f"/api/compare{path}", params=fields).status_code == status


@pytest.mark.parametrize("field", ["duration_seconds=1..2", "status=lost", "page=0", "page=x"])
def test_failed_sources_have_filters_of_their_own(page: TestClient, field: str) -> None:
    name, _, value = field.partition("=")
    assert page.get("/api/failed", params={name: value}).status_code == 400
    assert page.get("/api/failed", params={"kept": "failed"}).status_code == 200
