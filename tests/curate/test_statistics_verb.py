"""`internvid describe` on datasets and on tables: what it prints, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import internvid
from internvid.core.errors import MisuseError
from internvid.curate.statistics import dominance
from tests.browse.handmade import Plan, make
from tests.cli.speaking import Capture, read_json, spoken

OWNERS = ["big"] * 3 + [f"o{at}" for at in range(12)]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    plan = Plan(
        names=[f"/videos/{at}.mp4" for at in range(15)],
        metadata={
            "category": ["Sports"] * 9 + ["Music"] * 6,
            "channel": OWNERS,
            "upload_date": [f"20{10 + at}0101" for at in range(15)],
        },
    )
    return make(tmp_path_factory.mktemp("statistics") / "data", plan).root


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "flt.parquet"
    rows = {
        "YoutubeID": [f"video{at // 2:06d}" for at in range(40)],
        "Start_timestamp": [f"00:00:{at:02d}.000" for at in range(40)],
        "End_timestamp": [f"00:00:{at + 3:02d}.500" for at in range(40)],
        "Caption": ["a man plays a guitar"] * 40,
        "Aesthetic_Score": [4.0 + at / 40 for at in range(40)],
        "UMT_Score": [0.35] * 40,
        "Category": ["Gaming"] * 30 + ["Sports"] * 10,
    }
    pq.write_table(pa.table(rows), path)
    return path


def test_a_dataset_is_described_beside_the_paper(data: Path, capsys: Capture) -> None:
    _, out, _ = spoken(capsys, "describe", data, "--captions", "0")
    head = out.split("\n\n")[1]
    assert len(out.split("\n\nfunnel")[0].splitlines()) <= 24
    assert "mean clip, seconds" in head
    assert "234,000,000" in head
    assert "warning: category: Sports has 60.0 % of the hours; one value has more than 50 %" in out
    assert "warning: channel: big has 20.0 % of the hours; one owner has more than 10 %" in out
    for title in ("funnel", "Clip length", "channel (owner)", "upload_date (date)", "numbers"):
        assert title in out


def test_statistics_join_clips_with_what_is_known_of_their_videos(
    data: Path, capsys: Capture
) -> None:
    facts = read_json(capsys, "describe", data, "--captions", 0)
    numbers = facts["statistics"]
    assert (numbers["clips"], numbers["sources"]) == (facts["clips"], facts["videos"])
    assert numbers["hours"] == pytest.approx(facts["hours"])
    years = next(one for one in numbers["values"] if one["role"] == "date")
    assert [one["value"] for one in years["values"]] == [f"{2010 + at}" for at in range(15)]
    assert [one["share"] for one in years["values"]] == [pytest.approx(1 / 15)] * 15
    figures = {one["figure"]: [row["count"] for row in one["buckets"]] for one in numbers["shares"]}
    assert figures["Resolution"] == [0, 0, 0, facts["clips"], 0]
    assert figures["Video length"] == [15, 0, 0, 0]
    assert numbers["roles"]["captions"] == ["words"]


def test_a_subset_is_described_alone(data: Path, capsys: Capture) -> None:
    internvid.select(data, "where", "late", "start_seconds > 3")
    facts = read_json(capsys, "describe", data, "--subset", "late", "--captions", 0)
    assert facts["statistics"]["clips"] == facts["clips"] == 15
    assert facts["statistics"]["captions"][0]["captions"] == 15


def test_a_table_in_the_published_layout(table: Path, capsys: Capture) -> None:
    facts = read_json(capsys, "describe", table, "--captions", 0)
    numbers = facts["statistics"]
    assert (facts["clips"], facts["videos"]) == (40, 20)
    assert facts["hours"] == pytest.approx(40 * 3.5 / 3600)
    assert facts["funnel"] == facts["columns"] == facts["recipe"] == []
    assert numbers["roles"]["captions"] == ["Caption"]
    assert numbers["roles"]["scores"] == ["Aesthetic_Score", "UMT_Score"]
    assert [one["value"] for one in numbers["warnings"]] == ["Gaming"]
    summaries = {one["column"] for one in facts["numbers"]}
    assert {"UMT_Score", "duration_seconds"} <= summaries
    assert not any(name.startswith("row_") for name in summaries)
    code, out, _ = spoken(capsys, "describe", table, "--captions", 0)
    assert code == 0
    assert "UMT similarity: clips by UMT_Score" in out


def test_lines_that_are_no_rows_are_counted(table: Path, tmp_path: Path, capsys: Capture) -> None:
    lines = [json.dumps(row) for row in pq.read_table(table).to_pylist()]
    path = tmp_path / "flt.jsonl"
    path.write_text("\n".join([*lines, "{no json", ""]))
    facts = read_json(capsys, "describe", path, "--captions", 0)
    assert facts["clips"] == 40
    assert facts["faults"] == {"malformed_json": 1}
    _, _, talk = spoken(capsys, "describe", path, "--captions", 0)
    assert "faulty, malformed_json: 1" in talk


def test_a_role_by_hand(table: Path) -> None:
    facts = internvid.describe(table, column="owner=Category", captions=0)
    roles = facts["statistics"]["roles"]
    assert roles["owner"] == "Category"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--captions", "many"), "neither a number nor all"),
        (("--column", "owner=nobody"), "no column 'nobody'"),
        (("--subset", "late"), "has no subset"),
    ],
)
def test_what_cannot_be_is_refused(
    table: Path, capsys: Capture, arguments: tuple[str, str], message: str
) -> None:
    code, out, talk = spoken(capsys, "describe", table, *arguments)
    assert (code, out) == (2, "")
    assert message in talk


def test_a_wrong_column_of_a_dataset_is_refused(data: Path) -> None:
    with pytest.raises(MisuseError, match="no column 'nobody'"):
        internvid.describe(data, column=["owner=nobody"])


def test_a_source_that_dominates_is_called_by_its_uri(
    data: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    # Each of the fifteen has a fifteenth.
    monkeypatch.setattr(dominance, "MOST_OF_ONE_MAKER", 0.05)
    facts = read_json(capsys, "describe", data, "--captions", 0)
    (warned,) = (one for one in facts["statistics"]["warnings"] if one["role"] == "source")
    uris = {row["video_id"]: row["uri"] for row in internvid.open(data).videos().to_pylist()}
    name = Path(uris[warned["value"]]).name
    assert warned["uri"] == name
    _, out, _ = spoken(capsys, "describe", data, "--captions", "0")
    assert f"{name} ({warned['value']}) has 6.7 %" in out
