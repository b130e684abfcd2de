"""What made a dataset is read from its record."""

from __future__ import annotations

import pytest

from internvid.browse.provenance import Rule, authors, provenance, rules, thresholds
from internvid.core.config import identity
from internvid.dataset.layout import Record
from internvid.signals.stillness import StillnessSignal


@pytest.mark.parametrize(
    ("rule", "says", "verdict"),
    [
        (Rule("motion_mean", "still", 0.5, None), "motion_mean < 0.5", "motion_mean 0.25"),
        (Rule("loudness", "odd", -60, -3), "loudness < −60 or loudness > −3", "loudness 0.25"),
        (Rule("is_still", "still", None, 0), "is_still", "is_still"),
        (Rule("has_audio", "mute", 1, None), "not has_audio", "not has_audio"),
    ],
)
def test_a_rule_says_what_it_rejects(rule: Rule, says: str, verdict: str) -> None:
    assert (rule.says, rule.verdict(0.25)) == (says, verdict)


def test_captions_say_who_wrote_them() -> None:
    components = {
        "a": ("internvid.captions.measured:MeasuredCaptioner", {}),
        "b": ("internvid.synthetic.fakes:EchoCaptioner", {}),
        "c": ("other:Remote", {"model": "acme/vlm-7b"}),
        "measured": ("internvid.captions.measured:MeasuredCaptioner", {}),
    }
    record = Record(
        cut="cut@0",
        columns={"cut@0": {name: f"{name}@1" for name in components}},
        column_recipes={
            f"{name}@1": {"component": component, "fields": fields}
            for name, (component, fields) in components.items()
        },
    )
    assert [author.says for author in authors(record).values()] == [
        "a · measured", "b · stand-in", "c · model acme/vlm-7b", "measured",
    ]  # fmt: skip


def test_a_strange_record_does_no_harm() -> None:
    record = Record(cut="cut@0", scan="5", cuts={"cut@0": {"fields": {"filters": [7, {}]}}})
    assert rules(record) == ()
    assert thresholds(record) == {}
    assert provenance(record, "1.0")[0].value == "cut@0"


def test_a_signal_with_fields_of_its_own_shows_them() -> None:
    own = identity(StillnessSignal(least_share=0.8))
    record = Record(cut="c@0", cuts={"c@0": {"fields": {"signals": ["motion", own]}}})
    (fact,) = (fact for fact in provenance(record, "1.0") if fact.term == "Signals")
    assert fact.value.startswith("motion, StillnessSignal (")
    assert "least_share 0.8" in fact.value
