"""Audits and comparisons: drawn without bias, hidden while they are answered, counted right."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

import internvid
from internvid.browse.server.access import TOKEN_HEADER, Access, Gate
from internvid.browse.server.application import make_application
from internvid.browse.server.desk import Desk
from internvid.browse.server.review.audit_state import audit_state
from internvid.browse.server.review.audits import begin_audit
from internvid.browse.server.review.comparisons import (
    answer_pair,
    begin_comparison,
    shown_pair,
)
from internvid.browse.server.review.planned_reviews import next_open, shown
from internvid.cli.app import main
from internvid.core.errors import MisuseError
from internvid.curate.reviewing.intervals import sign_test, weighted, wilson
from internvid.curate.reviewing.review_results import (
    audit_result,
    comparison_result,
    review_results,
)
from internvid.dataset.answers.review_log import ReviewLog, review_log_path
from internvid.dataset.layout import Layout

PORT = 8765
HOME = f"http://127.0.0.1:{PORT}"


@pytest.fixture
def desk(filtered: Path, tmp_path: Path) -> Iterator[Desk]:
    root = tmp_path / "data"
    shutil.copytree(filtered, root)
    made = Desk(internvid.open(root), tmp_path, "tester")
    made.table.build()
    yield made
    made.close()


def reasons(desk: Desk) -> dict[str, int]:
    found = desk.dataset.sql(
        "select reason, count(*) from all_clips where not kept group by 1 order by 2 desc, 1"
    )
    return dict(found.fetchall())


def audited(desk: Desk, *groups: str, count: int = 1000, seed: int = 1) -> str:
    return begin_audit(desk, {"groups": list(groups), "count": count, "seed": seed})


# Worked out by hand with z = 1.96: 8 of 10 is (0.8 + 0.19207 ± 1.96 sqrt(0.016 + 0.0096036))
# / 1.38415, and so on.
@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [(8, 10, 0.4902, 0.9433), (0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (5, 10, 0.2366, 0.7634)],
)
def test_an_interval_is_that_of_wilson(
    successes: int, trials: int, low: float, high: float
) -> None:
    found = wilson(successes, trials)
    assert found is not None
    assert (found.share, found.low, found.high) == pytest.approx(
        (successes / trials, low, high), abs=5e-5
    )
    assert wilson(0, 0) is None


def test_a_mean_over_groups_weighs_them_and_combines_their_intervals() -> None:
    one, two = wilson(8, 10), wilson(5, 10)
    assert one is not None
    assert two is not None
    # 0.75 * 0.8 + 0.25 * 0.5 = 0.725; below it sqrt((0.75 * 0.3098)² + (0.25 * 0.2634)²) = 0.2415.
    found = weighted([(300, one), (100, two)])
    assert found is not None
    assert (found.share, found.low, found.high) == pytest.approx((0.725, 0.4835, 0.8510), abs=1e-4)
    alone = weighted([(7, one)])
    assert alone is not None
    assert (alone.low, alone.high) == pytest.approx((one.low, one.high))
    assert weighted([]) is None


def test_a_sign_test_is_twice_the_tail_of_fair_tosses() -> None:
    # (1 + 10 + 45) / 1024, twice.
    assert sign_test(8, 2) == sign_test(2, 8) == 0.109375
    assert sign_test(10, 0) == 2 / 1024
    assert sign_test(5, 5) == 1.0
    assert sign_test(0, 0) is None
    assert 0 < (sign_test(2600, 2400) or 0) < 0.01


def test_a_seed_draws_without_replacement_and_every_clip_equally_often(desk: Desk) -> None:
    reason, size = next(iter(reasons(desk).items()))
    first = desk.review_log.get(audited(desk, "kept", f"reason:{reason}", count=3))
    again = desk.review_log.get(audited(desk, "kept", f"reason:{reason}", count=3))
    other = desk.review_log.get(audited(desk, "kept", f"reason:{reason}", count=3, seed=2))
    assert list(first.drawn) == list(again.drawn)
    assert list(first.drawn) != list(other.drawn)
    drawn = [each.facts["groups"] for each in first.drawn.values()]
    assert sorted(drawn) == [[0]] * 3 + [[1]] * min(3, size)
    kept = {row["clip_id"]: row["kept"] for row in desk.dataset.clips(rejected=True).to_pylist()}
    assert all(each.facts["kept"] == kept[each.clip_id] for each in first.drawn.values())
    counts, places = Counter[str](), Counter[str]()
    for seed in range(300):
        review = desk.review_log.get(audited(desk, "kept", count=3, seed=seed))
        counts.update(list(review.drawn))
        places[next(iter(review.drawn))] += 1
    clips = len(desk.dataset)
    assert len(counts) == clips
    expected, place = 300 * 3 / clips, 300 / clips
    assert all(abs(count - expected) < 5 * expected**0.5 for count in counts.values())
    # Nor does a clip come first more often than others.
    assert all(count < place + 5 * place**0.5 for count in places.values())


def test_nothing_that_is_shown_says_which_group_a_clip_is_from(desk: Desk) -> None:
    review = desk.review_log.get(
        audited(desk, "kept", *(f"reason:{each}" for each in reasons(desk)))
    )
    for at in range(len(review.drawn)):
        view = shown(desk, review, at)
        assert set(view) == {
            "id", "cut", "author", "started", "clips", "open", "at", "answer", "next", "clip",
        }  # fmt: skip
        assert set(view["clip"]) == {"clip_id", "start_seconds", "end_seconds", "playable"}
    kept = [each.facts["kept"] for each in review.drawn.values()]
    assert kept != sorted(kept)
    assert kept != sorted(kept, reverse=True)


def test_figures_of_an_audit_are_those_that_are_counted_by_hand(desk: Desk) -> None:
    (reason, size), *_ = reasons(desk).items()
    log, name = desk.review_log, audited(desk, "kept", f"reason:{reason}", count=6)
    review = log.get(name)
    kept = [each.clip_id for each in review.drawn.values() if each.facts["kept"]]
    rejected = [each.clip_id for each in review.drawn.values() if not each.facts["kept"]]
    for clip_id, answer in zip(kept, ["keep", "keep", "keep", "reject", "unsure"], strict=False):
        log.answer(name, clip_id, answer, "ann")
    assert "nothing is decided yet" in audit_result(log.get(name)).note
    log.answer(name, rejected[0], "keep", "ann")
    log.answer(name, rejected[0], "reject", "bob")
    log.answer(name, rejected[1], "keep", "bob")
    log.answer(name, rejected[1], None, "bob")
    found = audit_result(log.get(name))
    one, two = found.groups
    clips = len(desk.dataset)
    assert (one.size, one.drawn, one.answered, one.agreed) == (clips, 6, 4, 3)
    assert (one.unsure, one.open) == (1, 1)
    assert (two.size, two.answered, two.agreed, two.unsure) == (size, 1, 1, 0)
    assert two.open == two.drawn - 1
    interval = wilson(3, 4)
    assert interval is not None
    assert (one.precision, one.low, one.high) == (interval.share, interval.low, interval.high)
    assert found.precision == pytest.approx((clips * 0.75 + size * 1) / (clips + size))
    assert found.low is not None
    assert found.precision is not None
    assert found.low < found.precision


def test_groups_that_may_share_clips_have_no_figure_over_all(desk: Desk) -> None:
    name = audited(
        desk, "kept", "query:duration_seconds=0..100&page=3&sort=random", "value:is_dark:no"
    )
    review = desk.review_log.get(name)
    shared = [each for each in review.drawn.values() if len(each.facts["groups"]) == 3]
    assert shared
    assert len(review.drawn) == len(set(review.drawn))
    for clip_id in review.drawn:
        desk.review_log.answer(name, clip_id, "keep", "ann")
    found = audit_result(desk.review_log.get(name))
    assert found.precision is None
    assert "share clips" in found.note
    assert [each.group for each in found.groups][1] == "duration_seconds=0..100"
    recorded = next(iter(review.drawn))
    desk.verdicts.record(recorded, "keep", "ann")
    desk.refresh_verdicts()
    of_verdict = desk.review_log.get(audited(desk, "value:verdict:keep"))
    assert list(of_verdict.drawn) == [recorded]
    values = audited(desk, "value:camera_move:pan", "value:camera_move:zoom", count=2)
    assert desk.review_log.get(values).plan["are_disjoint"]


def test_an_audit_goes_on_where_it_was_left_and_skipped_clips_come_last(desk: Desk) -> None:
    name = audited(desk, "kept", count=4)
    order = list(desk.review_log.get(name).drawn)
    desk.review_log.answer(name, order[0], "keep", "ann")
    review = desk.review_log.answer(name, order[2], "keep", "ann")
    assert shown(desk, review, None)["at"] == 1
    assert next_open(review, 1) == 3
    assert next_open(review, 3) == 1
    # Another process, as after a kill.
    again = ReviewLog(desk.dataset.layout).get(name)
    assert again == review
    for clip_id in (order[1], order[3]):
        review = desk.review_log.answer(name, clip_id, "unsure", "ann")
    assert shown(desk, review, None)["clip"] is None


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


def test_sides_hide_whose_a_text_is_and_answers_go_to_their_column(desk: Desk) -> None:
    columns = ["measured", "echo"]
    name = begin_comparison(desk, {"columns": columns, "count": 1000, "seed": 5})
    review = desk.review_log.get(name)
    assert len(review.drawn) == review.plan["size"] == len(desk.dataset)
    swapped = [each.facts["is_swapped"] for each in review.drawn.values()]
    assert 0 < sum(swapped) < len(swapped)
    for at, (clip_id, drawn) in enumerate(review.drawn.items()):
        view = shown_pair(desk, review, at)
        row = desk.clip(clip_id)
        sides = [row["echo"], row["measured"]] if drawn.facts["is_swapped"] else [
            row["measured"], row["echo"],
        ]  # fmt: skip
        assert [view["clip"]["left"], view["clip"]["right"]] == sides
        assert "measured" not in json.dumps(
            {**view, "clip": {**view["clip"], "left": "", "right": ""}}
        )
    order = list(review.drawn)
    for at, clip_id in enumerate(order[:7]):
        view = shown_pair(desk, review, at)
        side = "left" if view["clip"]["left"] == desk.clip(clip_id)["echo"] else "right"
        review = answer_pair(desk, review, {"clip_id": clip_id, "answer": side})
        assert shown_pair(desk, review, at)["answer"] == side
    answer_pair(desk, review, {"clip_id": order[6], "answer": "tie"})
    review = answer_pair(desk, review, {"clip_id": order[5], "answer": "bad"})
    found = comparison_result(review)
    assert (found.first, found.second, found.tie, found.bad) == (0, 5, 1, 1)
    assert found.p_value == 2 / 32
    assert found.left == sum(swapped[:5])
    assert found.columns == ("measured", "echo")
    state = audit_state(desk, order[0])
    assert [each["better"] for each in state["comparisons"]] == ["echo"]
    audit = audited(desk, "kept")
    desk.review_log.answer(audit, order[0], "reject", "ann")
    assert [each["agrees"] for each in audit_state(desk, order[0])["audits"]] == [False]
    assert audit_state(desk, "0" * 32) == {"audits": [], "comparisons": []}


def test_equal_texts_are_counted_and_not_shown(desk: Desk) -> None:
    name = begin_comparison(
        desk, {"columns": ["camera_move", "camera_direction"], "count": 9, "seed": 1}
    )
    review = desk.review_log.get(name)
    ((size, equal),) = desk.dataset.sql(
        "select count(*) filter (camera_move <> camera_direction), "
        "count(*) filter (camera_move = camera_direction) from clips"
    ).fetchall()
    assert (review.plan["size"], review.plan["equal"]) == (size, equal)


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


def client(desk: Desk, *, read_only: bool = False) -> TestClient:
    access = Access(PORT, token="secret", is_read_only=read_only)
    gate = Gate(make_application(desk, access), access)
    made = TestClient(gate, base_url=HOME, follow_redirects=False)
    made.cookies.set(access.cookie, "secret", domain="127.0.0.1")
    made.headers.update({"origin": HOME, TOKEN_HEADER: "secret"})
    return made


PLAN: dict[str, Any] = {"groups": ["kept"], "count": 3, "seed": 1}
PAIR: dict[str, Any] = {"columns": ["measured", "echo"], "count": 3, "seed": 1}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/audits", b"no json"),
        ("/api/audits", b"[1]"),
        ("/api/audits", {**PLAN, "groups": []}),
        ("/api/audits", {**PLAN, "groups": "kept"}),
        ("/api/audits", {**PLAN, "groups": [{"kept": 1}]}),
        ("/api/audits", {**PLAN, "groups": ["value:nothing:x"]}),
        ("/api/audits", {**PLAN, "groups": ['value:is_dark":x']}),
        ("/api/audits", {**PLAN, "groups": ["value:is_dark:maybe"]}),
        ("/api/audits", {**PLAN, "groups": ["value:measured:x"]}),
        ("/api/audits", {**PLAN, "groups": ["query:x'; drop table clips=1"]}),
        ("/api/audits", {**PLAN, "groups": ["reason:none such"]}),
        ("/api/audits", {**PLAN, "groups": [f"reason:{at}" for at in range(41)]}),
        ("/api/audits", {**PLAN, "count": 0}),
        ("/api/audits", {**PLAN, "count": 1001}),
        ("/api/audits", {**PLAN, "count": True}),
        ("/api/audits", {**PLAN, "count": "3"}),
        ("/api/audits", {**PLAN, "seed": -1}),
        ("/api/audits", {**PLAN, "seed": 1.5}),
        ("/api/comparisons", {**PAIR, "columns": ["measured"]}),
        ("/api/comparisons", {**PAIR, "columns": ["measured", "measured"]}),
        ("/api/comparisons", {**PAIR, "columns": ["measured", "nothing"]}),
        ("/api/comparisons", {**PAIR, "columns": ["measured", ["echo"]]}),
        ("/api/comparisons", {**PAIR, "columns": ["measured", "echo from clips; --"]}),
        ("/api/comparisons", {**PAIR, "count": None}),
    ],
)
def test_what_cannot_be_drawn_is_refused(
    shared_desk: Desk, path: str, body: dict[str, Any] | bytes
) -> None:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = client(shared_desk).post(path, content=data)
    assert answer.status_code == 400, answer.text
    assert not review_log_path(shared_desk.dataset.layout).exists()


@pytest.fixture(scope="module")
def shared_desk(filtered: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """One on which nothing is recorded."""
    made = Desk(internvid.open(filtered), tmp_path_factory.mktemp("shared"), "tester")
    made.table.build()
    yield made
    made.close()


def test_answers_that_fit_no_review_are_refused(desk: Desk) -> None:
    browser = client(desk)
    audit = browser.post("/api/audits", json=PLAN).json()["id"]
    pair = browser.post("/api/comparisons", json=PAIR).json()["id"]
    clip_id = browser.get(f"/api/audits/{audit}").json()["clip"]["clip_id"]
    size = review_log_path(desk.dataset.layout).stat().st_size
    outside = next(
        each
        for each in desk.dataset.clips(rejected=True)["clip_id"].to_pylist()
        if each not in desk.review_log.get(audit).drawn
    )
    for path, body in [
        (f"/api/audits/{audit}", {"clip_id": clip_id, "answer": "left"}),
        (f"/api/audits/{audit}", {"clip_id": clip_id, "answer": 1}),
        (f"/api/audits/{audit}", {"clip_id": outside, "answer": "keep"}),
        (f"/api/audits/{audit}", {"clip_id": ["x"], "answer": "keep"}),
        (f"/api/audits/{audit}", {"answer": "keep"}),
        (f"/api/audits/{audit}", {"clip_id": clip_id}),
        (f"/api/audits/{pair}", {"clip_id": clip_id, "answer": "keep"}),
        (f"/api/comparisons/{pair}", {"clip_id": clip_id, "answer": "first"}),
        (f"/api/comparisons/{pair}", {"clip_id": clip_id, "answer": ["left"]}),
        ("/api/audits/00000000", {"clip_id": clip_id, "answer": "keep"}),
        ("/api/audits/..%2f..%2fdataset.json", {"clip_id": clip_id, "answer": "keep"}),
    ]:
        assert browser.post(path, json=body).status_code in (400, 404), (path, body)
    assert review_log_path(desk.dataset.layout).stat().st_size == size
    for path in (f"/audit/{pair}", f"/captioners/{audit}", "/audit/nothing"):
        assert browser.get(path).status_code == 400
    assert browser.get(f"/api/audits/{audit}?at=-1").status_code == 400
    assert browser.get(f"/api/audits/{audit}?at=999999").json()["at"] == 2
    with pytest.raises(MisuseError, match="no review"):
        desk.review_log.get("nothing")


def test_read_only_shows_reviews_and_refuses_answers(desk: Desk) -> None:
    audit = client(desk).post("/api/audits", json=PLAN).json()["id"]
    size = review_log_path(desk.dataset.layout).stat().st_size
    browser = client(desk, read_only=True)
    view = browser.get(f"/api/audits/{audit}").json()
    body = {"clip_id": view["clip"]["clip_id"], "answer": "keep"}
    assert browser.post(f"/api/audits/{audit}", json=body).status_code == 403
    assert browser.post("/api/audits", json=PLAN).status_code == 403
    assert browser.get(f"/api/audits/{audit}/result").json()["open"] == 3
    assert browser.get("/audit").status_code == browser.get("/captioners").status_code == 200
    assert review_log_path(desk.dataset.layout).stat().st_size == size
