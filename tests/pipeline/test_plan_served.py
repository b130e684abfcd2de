"""A plan asks served models what the run will ask, and counts what the run will still pay for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from internvid.captions.tags import TagsCaptioner
from internvid.captions.vlm import VlmCaptioner
from internvid.pipeline.annotate.annotate import ColumnRequest, annotate_columns
from internvid.pipeline.annotate.column_plan import ColumnPlan, plan_columns
from tests.captions.servers import ChatServer, serving
from tests.captions.test_client import echo
from tests.pipeline.annotators import Narrator
from tests.pipeline.answers import kept
from tests.trees import digest_tree


def requests_of(server: ChatServer, cache: str) -> list[ColumnRequest]:
    """Components that want more pictures, larger ones, and one that takes what there is."""
    served = server.served(cache=cache)
    return [
        ColumnRequest("many", VlmCaptioner(frames=7, served=served)),
        ColumnRequest("large", VlmCaptioner(frames=2, short_side=400, served=served)),
        ColumnRequest("tags", TagsCaptioner(per_second=3.0, served=served)),
    ]


def planned(server: ChatServer, data: Path, cache: str) -> tuple[Sequence[ColumnPlan], int]:
    before = digest_tree(data)
    plans = plan_columns(data, requests_of(server, cache))
    assert digest_tree(data) == before, "nothing is written"
    return plans, len(server.posts)


def test_what_a_plan_paid_for_the_run_does_not_pay_again(data: Path, tmp_path: Path) -> None:
    cache = str(tmp_path / "cache")
    with serving(echo) as server:
        plans, paid = planned(server, data, cache)
        # Of two clips with equal pictures the second may be answered from the cache already.
        assert 30 < paid <= sum(plan.kept for plan in plans)
        assert {plan.failed for plan in plans} == {0}
        again, still = planned(server, data, cache)
        assert still == paid, "a second plan pays nothing"
        assert [plan.expected["requests"] for plan in again] == [
            plan.expected["requests"] for plan in plans
        ]
        assert [plan.expected["tokens"] for plan in again] == [
            plan.expected["tokens"] for plan in plans
        ]
        told = _shown(server)
        server.requests.clear()
        summaries = annotate_columns(data, requests_of(server, cache))
        assert not told & _shown(server), "nothing is asked twice"
        for plan, summary in zip(plans, summaries, strict=True):
            # Clips with equal pictures are one question; a plan cannot know how many there are.
            known = summary.counts["cache_hits"] - plan.kept
            assert known >= 0
            if plan.column != "tags":  # how many pictures a clip has differs from clip to clip
                assert plan.expected["requests"] == summary.counts["requests"] + known
                assert plan.expected["tokens"] == summary.counts["tokens"] + 107 * known


@pytest.mark.parametrize("cached", [True, False])
def test_pictures_that_lie_there_are_shown_by_the_plan_too(
    cached: bool, data: Path, tmp_path: Path
) -> None:
    """A set of pictures that an earlier run decoded covers what is wanted now."""
    cache = str(tmp_path / "cache") if cached else ""
    with serving(echo) as server:
        first = VlmCaptioner(frames=9, short_side=300, served=server.served())
        annotate_columns(data, [ColumnRequest("first", first)])
        server.requests.clear()
        second = VlmCaptioner(frames=7, prompt="what?", served=server.served(cache=cache))
        (plan,) = plan_columns(data, [ColumnRequest("second", second)])
        clips = len(kept(data))
        assert 12 <= plan.tried == len(server.posts) < clips
        assert plan.expected["requests"] == clips - (plan.tried if cached else 0)
        shown = _shown(server)
        server.requests.clear()
        annotate_columns(data, [ColumnRequest("second", second)])
        assert not shown & _shown(server) if cached else shown < _shown(server)


def _shown(server: ChatServer) -> set[str]:
    return {str(payload["messages"]) for payload in server.posts}


def test_counts_of_components_of_this_machine_are_as_before(data: Path) -> None:
    (plan,) = plan_columns(data, [ColumnRequest("told", Narrator())])
    assert plan.counts["tokens"] == 7
    assert plan.expected["tokens"] == 7 * len(kept(data))
    assert plan.kept == 0
    counted: dict[str, Any] = dict(plan.counts)
    assert "requests" not in counted
