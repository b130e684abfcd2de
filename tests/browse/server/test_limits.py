"""Limits: what a page counts is what the command makes that it shows."""

from __future__ import annotations

import json
import math
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

import internvid
from internvid.browse.server.access import Access, Gate
from internvid.browse.server.application import make_application
from internvid.browse.server.conditions import AddressUnreadableError
from internvid.browse.server.desk import Desk
from internvid.browse.server.review.limit_commands import build_command, select_command
from internvid.browse.server.review.limit_counts import LimitCounts
from internvid.browse.server.review.limit_rules import Limits, read_limits
from internvid.cli.app import main
from internvid.recipes import RECIPES

PORT = 8765
HOME = f"http://127.0.0.1:{PORT}"


def opened(root: Path, folder: Path) -> Desk:
    made = Desk(internvid.open(root), folder, "tester")
    made.recipes = RECIPES
    made.table.build()
    return made


@pytest.fixture(scope="module")
def desk(filtered: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    made = opened(filtered, tmp_path_factory.mktemp("desk"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def counts(desk: Desk) -> LimitCounts:
    return LimitCounts(desk)


def limits(counts: LimitCounts, desk: Desk, **fields: str) -> Limits:
    return read_limits(fields, counts.rules, desk.table.facets)


OF_TOO_SHORT = (
    "(kept or (reason = 'too_short' and coalesce(brightness <= 0.7, true) and not is_still "
    "and not is_slideshow and not is_flickering and coalesce(motion_extreme_share <= 0.33, true)))"
)


@pytest.mark.parametrize(
    ("fields", "condition"),
    [
        ({"filter": "too_short"}, "kept"),
        ({"filter": "too_short", "minimum": "1.9"}, f"{OF_TOO_SHORT} and duration_seconds >= 1.9"),
        ({"filter": "too_short", "minimum": ""}, OF_TOO_SHORT),
        ({"filter": "too_short", "minimum": "2.5"}, "kept and duration_seconds >= 2.5"),
        (
            {"filter": "too_short", "minimum": "1.5", "maximum": "2.6"},
            f"{OF_TOO_SHORT} and duration_seconds between 1.5 and 2.6",
        ),
        ({"filter": "too_short", "minimum": "-5", "maximum": "900"}, OF_TOO_SHORT),
        ({"filter": "too_short", "minimum": "77"}, "false"),
        ({"filter": "pale", "maximum": "0.8"}, "kept or (reason = 'pale' and brightness <= 0.8)"),
        ({"filter": "pale", "maximum": "0.5"}, "kept and brightness <= 0.5"),
        ({"column": "brightness", "minimum": "0.4"}, "kept and brightness >= 0.4"),
        (
            {"column": "loudness_mean", "maximum": "-20"},
            "kept and coalesce(loudness_mean <= -20, true)",
        ),
        (
            {"column": "camera_speed", "minimum": "0.1"},
            "kept and coalesce(camera_speed >= 0.1, true)",
        ),
    ],
)
def test_what_limits_leave_is_counted_as_sql_does(
    desk: Desk, counts: LimitCounts, fields: dict[str, str], condition: str
) -> None:
    wanted = limits(counts, desk, **fields)
    ((clips, seconds),) = desk.dataset.sql(
        f"select count(*), coalesce(sum(duration_seconds), 0) from all_clips where {condition}"
    ).fetchall()
    left = counts.left(wanted)
    if left.is_exact:
        assert left.clips == clips
        assert left.seconds == pytest.approx(seconds, abs=1e-6)
    exact = counts.exact(wanted)
    assert exact.clips == clips
    assert exact.seconds == pytest.approx(seconds, abs=1e-6)


def test_every_limit_of_a_column_is_counted_right(desk: Desk, counts: LimitCounts) -> None:
    for column in ("duration_seconds", "brightness", "sharpness", "motion_peak"):
        values = [row[0] for row in desk.dataset.sql(f"select {column} from clips").fetchall()]
        low, high = min(values), max(values)
        for step in range(60):
            limit = low + (high - low) * (step - 5) / 50
            for side, sign in (("minimum", 1), ("maximum", -1)):
                wanted = limits(counts, desk, column=column, **{side: repr(limit)})
                expected = sum(sign * value >= sign * limit for value in values)
                left = counts.left(wanted)
                assert left.clips == expected or not left.is_exact
                if not left.is_exact:
                    assert counts.exact(wanted).clips == expected


def test_a_clip_on_the_limit_is_counted_in_the_stored_column(
    desk: Desk, counts: LimitCounts
) -> None:
    values = [row[0] for row in desk.dataset.sql("select brightness from clips").fetchall()]
    value = max(values)
    above, below = math.nextafter(value, 1), math.nextafter(value, 0)
    for limit, expected in ((value, 1), (above, 0), (below, 1)):
        wanted = limits(counts, desk, column="brightness", minimum=repr(limit))
        assert not counts.left(wanted).is_exact
        assert counts.exact(wanted).clips == expected


def test_clips_that_a_later_filter_rejects_too_are_told_apart(
    desk: Desk, counts: LimitCounts
) -> None:
    spread = counts.spread(limits(counts, desk, filter="too_short"))
    assert (spread.rejected, spread.later) == (3, 1)
    pale = counts.spread(limits(counts, desk, filter="pale"))
    assert (pale.rejected, pale.later) == (3, 0)
    assert sum(pale.counts) == 7 + 3
    assert counts.left(limits(counts, desk, filter="too_short", minimum="")).clips == 7 + 2


def test_examples_are_the_nearest_on_each_side(desk: Desk, counts: LimitCounts) -> None:
    wanted = limits(counts, desk, filter="too_short", minimum="2")
    near = counts.examples(wanted, "minimum")
    lengths = {
        side: [card["values"]["duration_seconds"] for card in cards] for side, cards in near.items()
    }
    ((inside,), (outside,)) = (
        desk.dataset.sql(
            f"select list(duration_seconds order by duration_seconds {order}) from all_clips "
            f"where {OF_TOO_SHORT} and duration_seconds {sign} 2"
        ).fetchall()[0]
        for order, sign in (("asc", ">="), ("desc", "<"))
    )
    assert lengths == {"inside": inside, "outside": outside}
    assert counts.examples(limits(counts, desk, column="brightness"), "minimum") == {
        "inside": [],
        "outside": [],
    }


@pytest.mark.parametrize(
    "fields",
    [
        {"filter": "too_short", "minimum": "1.9", "maximum": "3.2"},
        {"filter": "pale", "maximum": ""},
        {"column": "sharpness", "minimum": "120"},
    ],
)
def test_a_build_makes_what_the_page_counts(
    filtered: Path, tmp_path: Path, fields: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "data"
    shutil.copytree(filtered, root)
    desk = opened(root, tmp_path)
    try:
        counts = LimitCounts(desk)
        wanted = limits(counts, desk, **fields)
        left = counts.left(wanted)
        expected = left if left.is_exact else counts.exact(wanted)
        command = build_command(desk, wanted)
    finally:
        desk.close()
    assert command.text is not None, command.note
    words = shlex.split(command.text)
    assert words[0] == "internvid"
    assert main([*words[1:], "--no-report"]) == 0
    built = internvid.open(root)
    assert len(built) == expected.clips != 7
    seconds = sum(built.clips()["duration_seconds"].to_pylist())
    assert seconds == pytest.approx(expected.seconds, abs=1e-6)
    assert "0 scanned now" in capsys.readouterr().out


CHOSEN: list[dict[str, str]] = [
    {"filter": "too_short", "minimum": "2.12"},
    {"column": "brightness", "minimum": "0.375", "maximum": "0.5"},
    {"column": "loudness_mean", "minimum": "-20"},
    {"column": "sharpness", "minimum": "120", "maximum": "9000"},
    {"column": "transition_score", "minimum": "0.9"},
]


def test_a_selection_chooses_what_the_page_counts(filtered: Path, tmp_path: Path) -> None:
    root = tmp_path / "data"
    shutil.copytree(filtered, root)
    desk = opened(root, tmp_path)
    expected: dict[str, int] = {}
    try:
        counts = LimitCounts(desk)
        for fields in CHOSEN:
            wanted = limits(counts, desk, **fields)
            left = counts.left(wanted)
            has_nulls = bool(counts.spread(wanted).without)
            command = select_command(desk, wanted, has_nulls=has_nulls)
            assert command.text is not None, command.note
            exact = left if left.is_exact else counts.exact(wanted)
            expected[command.text] = exact.clips
    finally:
        desk.close()
    assert sum("is null" in text for text in expected) == 1
    for text, clips in expected.items():
        words = shlex.split(text)
        assert main(words[1:]) == 0
        assert internvid.open(root).clips(words[-1]).num_rows == clips > 0


def test_where_there_is_no_command_it_says_why(desk: Desk, counts: LimitCounts) -> None:
    looser = limits(counts, desk, filter="too_short", minimum="1.5")
    assert "bring others back" in select_command(desk, looser, has_nulls=False).note
    same = limits(counts, desk, filter="too_short")
    assert "recorded limits" in build_command(desk, same).note
    assert select_command(desk, same, has_nulls=False).text is None
    desk.recipes = {}
    try:
        assert build_command(desk, looser).text is None
    finally:
        desk.recipes = RECIPES


def test_modules_that_a_dataset_names_are_not_imported(
    filtered: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "data"
    shutil.copytree(filtered, root)
    (tmp_path / "strange_parts.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nD = 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    record = json.loads((root / "dataset.json").read_text("utf-8"))
    for setting in record["cuts"][record["cut"]]["settings"]:
        if setting["setting"] == "cut.detector":
            setting["value"] = "strange_parts:D"
    (root / "dataset.json").write_text(json.dumps(record), "utf-8")
    desk = opened(root, tmp_path)
    try:
        counts = LimitCounts(desk)
        command = build_command(desk, limits(counts, desk, filter="too_short", minimum="3"))
    finally:
        desk.close()
    assert command.text is None
    assert "components of its own" in command.note
    assert not (tmp_path / "ran").exists()


def test_a_column_that_no_signal_measures_is_no_filter_of_a_build(
    desk: Desk, counts: LimitCounts
) -> None:
    facet = desk.table.facets["brightness"]
    other = Limits(type(facet)("clip_score", "number"), 1.0, None)
    command = build_command(desk, other)
    assert command.text is None
    assert "clip_score" in command.note


@pytest.mark.parametrize(
    "fields",
    [
        {"filter": "nothing"},
        {"filter": "still"},
        {"column": "nothing"},
        {"column": "camera_move"},
        {"column": 'brightness" from clips; --'},
        {},
        {"column": "brightness", "minimum": "nan"},
        {"column": "brightness", "minimum": "inf"},
        {"column": "brightness", "minimum": "1e300"},
        {"column": "brightness", "minimum": "1 or true"},
        {"column": "brightness", "minimum": "2", "maximum": "1"},
    ],
)
def test_limits_that_cannot_be_are_refused(
    desk: Desk, counts: LimitCounts, fields: dict[str, str]
) -> None:
    with pytest.raises(AddressUnreadableError):
        limits(counts, desk, **fields)
    browser = client(desk)
    for what in ("spread", "count", "examples", "commands"):
        assert browser.get(f"/api/limits/{what}", params=fields).status_code == 400


def client(desk: Desk) -> TestClient:
    access = Access(PORT, token="secret", is_read_only=True)
    gate = Gate(make_application(desk, access), access)
    made = TestClient(gate, base_url=HOME, follow_redirects=False)
    made.cookies.set(access.cookie, "secret", domain="127.0.0.1")
    return made


def test_the_page_answers_also_where_nothing_may_be_changed(desk: Desk) -> None:
    browser = client(desk)
    assert browser.get("/limits").status_code == 200
    known: dict[str, Any] = browser.get("/api/limits").json()
    assert {each["name"]: each["clips"] for each in known["filters"]}["pale"] == 3
    assert known["kept"]["clips"] == 7
    assert known["rejected"] == 6
    spread = browser.get("/api/limits/spread", params={"filter": "too_short"}).json()
    assert sum(spread["counts"]) == 9
    assert spread["minimum"] == 2.0
    bad = browser.get("/api/limits/examples", params={"filter": "too_short", "side": "x"})
    assert bad.status_code == 400
