"""The log of reviews: nothing is lost, figures are read from it everywhere."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import internvid
from internvid.browse.server.desk import Desk
from internvid.browse.server.review.comparisons import (
    begin_comparison,
)
from internvid.cli.app import main
from internvid.curate.reviewing.review_results import (
    review_results,
)
from internvid.dataset.answers.review_log import ReviewLog, review_log_path
from internvid.dataset.layout import Layout
from tests.browse.server.reviews.reviewing import audited


def test_what_a_kill_cut_off_does_not_exist_and_harms_nothing(desk: Desk) -> None:
    name = audited(desk, "kept", count=4)
    path = review_log_path(desk.dataset.layout)
    whole = path.read_bytes()
    lines = whole.splitlines(keepends=True)
    path.write_bytes(
        whole + b"".join(lines[:2]).replace(name.encode(), b"00000000") + lines[3][:31]
    )
    order = list(desk.review_log.get(name).drawn)
    desk.review_log.answer(name, order[0], "keep", "ann")
    found = ReviewLog(desk.dataset.layout).read()
    assert list(found) == [name]
    assert {clip: each.answer for clip, each in found[name].answers.items()} == {order[0]: "keep"}
    assert desk.review_log.read() == found


@pytest.mark.parametrize(
    "plan",
    [
        {"kind": "audit"},
        {"kind": "audit", "seed": 1, "groups": "kept"},
        {"kind": "audit", "seed": 1, "groups": [{"group": "kept"}]},
        {"kind": "audit", "seed": "1", "groups": [{"group": "kept", "size": 3}]},
        {"kind": "comparison", "seed": 1, "columns": ["measured"], "size": 1, "equal": 0},
        {"kind": "comparison", "seed": 1, "columns": [1, 2], "size": 1, "equal": 0},
        {"kind": "comparison", "seed": 1, "columns": ["a", "b"], "size": None, "equal": 0},
        {"kind": ["audit"]},
        {"kind": "drawn", "clip_id": "../../etc", "groups": [0]},
        {"kind": "drawn", "clip_id": "0" * 32, "groups": 3},
        {"kind": "answer", "clip_id": "0" * 32, "answer": ["keep"]},
    ],
)
def test_a_log_from_elsewhere_may_say_anything(tmp_path: Path, plan: dict[str, Any]) -> None:
    whole = {"kind": "audit", "seed": 1, "groups": [{"group": "kept", "size": 3}]}
    lines = [{"review": "0123abcd", **plan}, {"review": "89abcdef", **plan}]
    lines += [{"review": "89abcdef", **whole}, {"review": "89abcdef", **plan}]
    path = review_log_path(Layout(tmp_path))
    path.parent.mkdir()
    path.write_text("".join(json.dumps(line) + "\n" for line in [*lines, 3, None, "x"]), "utf-8")
    found = review_results(Layout(tmp_path))
    assert [each.id for each in found.audits] == ["89abcdef"]
    assert found.comparisons == ()


def test_two_that_answer_at_once_lose_nothing(desk: Desk) -> None:
    name = audited(desk, "kept")
    order = list(desk.review_log.get(name).drawn)
    script = (
        "import sys\nfrom internvid.dataset.answers.review_log import ReviewLog\n"
        "from internvid.dataset.layout import Layout\nfrom pathlib import Path\n"
        "log = ReviewLog(Layout(Path(sys.argv[1])))\n"
        "for clip in sys.argv[4:]:\n    log.answer(sys.argv[2], clip, sys.argv[3], sys.argv[3])\n"
    )
    command = [sys.executable, "-c", script, str(desk.dataset.root), name]
    writers = [
        subprocess.Popen([*command, word, *clips])
        for word, clips in (("keep", order[::2]), ("reject", order[1::2]))
    ]
    assert [writer.wait() for writer in writers] == [0, 0]
    answers = desk.review_log.get(name).answers
    assert {clip: each.answer for clip, each in answers.items()} == {
        clip: ("keep", "reject")[at % 2] for at, clip in enumerate(order)
    }


def test_a_removal_leaves_nothing_of_a_clip_in_the_log(desk: Desk) -> None:
    rows = desk.dataset.clips().to_pylist()
    one, other = rows[0], next(row for row in rows if row["video_id"] != rows[0]["video_id"])
    name = audited(desk, "kept", f"query:q={one['clip_id']}")
    for row in (one, other):
        desk.review_log.answer(name, row["clip_id"], "keep", "ann")
    done = internvid.remove(desk.dataset, one["video_id"])
    assert "reviews" in done.purged
    assert one["clip_id"].encode() not in review_log_path(desk.dataset.layout).read_bytes()
    left = desk.review_log.get(name)
    assert one["clip_id"] not in left.drawn
    assert list(left.answers) == [other["clip_id"]]


def test_figures_are_read_from_python_and_the_shell(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    name = audited(desk, "kept", count=2)
    clip_id = next(iter(desk.review_log.get(name).drawn))
    desk.review_log.answer(name, clip_id, "keep", "ann")
    pair = begin_comparison(desk, {"columns": ["echo", "measured"], "count": 2, "seed": 1})
    clip_id = next(iter(desk.review_log.get(pair).drawn))
    desk.review_log.answer(pair, clip_id, "second", "ann")
    found = internvid.reviews(desk.dataset)
    assert [each.precision for each in found.audits] == [1.0]
    assert [each.second for each in found.comparisons] == [1]
    capsys.readouterr()
    assert main(["reviews", str(desk.dataset.root), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["audits"][0]["groups"][0]["answered"] == 1
    listed = _documented_keys()
    assert listed["audit"] == set(printed["audits"][0])
    assert listed["group"] == set(printed["audits"][0]["groups"][0])
    assert listed["comparison"] == set(printed["comparisons"][0])
    assert main(["reviews", str(desk.dataset.root)]) == 0
    text = capsys.readouterr().out
    assert "100.0 %" in text
    assert "sign test p = 1" in text


def _documented_keys() -> dict[str, set[str]]:
    from tests.docs.manual import page, rows, sections

    found: dict[str, set[str]] = {}
    for row in rows(sections(page("cli.md"))["reviews"]):
        if row[0] in ("audit", "group", "comparison"):
            found[row[0]] = {each.strip(" `") for each in row[1].split(",")}
    return found
