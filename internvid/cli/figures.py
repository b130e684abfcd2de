"""How `describe` shows statistics on a terminal: a table a figure, the paper's values beside."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from internvid.cli.output import table, table_of_figures

if TYPE_CHECKING:
    from internvid.curate.statistics import ClipNumbers
    from internvid.curate.statistics.caption_lengths import CaptionLengths, Lengths

_VALUES = 10
_WORDS = 15


def head(numbers: ClipNumbers) -> Iterator[str]:
    """What to know first: figures beside the paper's, warnings, what is an estimate."""
    from internvid.curate.statistics.dominance import shown_value

    notes: list[str] = []
    rows = []
    for figure in numbers["paper"]:
        if figure["here"] is None:
            continue
        mark = ""
        if figure["note"]:
            notes.append(figure["note"])
            mark = f" ({len(notes)})"
        name = figure["figure"] + mark
        rows.append({"": name, "here": _big(figure["here"]), "InternVid": _big(figure["paper"])})
    yield table_of_figures(rows)
    yield from (f"({at}) {note}" for at, note in enumerate(notes, 1))
    for warned in numbers["warnings"]:
        yield (
            f"warning: {warned['column']}: {shown_value(warned)} has {_percent(warned['share'])} "
            f"of the {warned['by']}; {warned['rule']}"
        )
    yield from (f"estimated: {line}" for line in numbers["approximate"])


def sections(numbers: ClipNumbers) -> Iterator[tuple[str, str]]:
    """(title, table) of each figure, after the head."""
    lengths = [
        each["shares"]
        for text in numbers["captions"]
        for each in (text["words"], text["characters"])
    ]
    for shares in [*numbers["shares"], *lengths]:
        rows = [_bucket(row) for row in shares["buckets"]]
        if any(row["count"] for row in shares["buckets"]):
            note = f"; {shares['note']}" if shares["note"] else ""
            yield (
                f"{shares['figure']}: {shares['unit']} by {shares['column']}{note}",
                table_of_figures(rows),
            )
    spreads = [
        _spread("clip, seconds", numbers["clip_seconds"]),
        _spread("video, seconds", numbers["video_seconds"]),
        _spread("clips of a video", numbers["clips_per_source"]),
        *(_spread(score["column"], score) for score in numbers["scores"]),
    ]
    for text in numbers["captions"]:
        spreads.append(_length(text, "words", text["words"], text["unspaced"]))
        spreads.append(_length(text, "characters", text["characters"], 0))
    yield "distributions", table([row for row in spreads if row])
    yield from _all_values(numbers)
    yield from _all_words(numbers)


def _bucket(row: Any) -> dict[str, str]:
    return {
        "": row["bucket"],
        "count": f"{row['count']:,}",
        "here": _percent(row["share"]),
        "InternVid": "-" if row["paper_share"] is None else f"{100 * row['paper_share']:.0f} %",
    }


def _spread(name: str, spread: Any) -> dict[str, Any]:
    if spread is None or not spread["count"]:
        return {}
    quantiles = spread["quantiles"]
    return {
        "": name, "count": spread["count"], "without": spread["missing"] + spread["not_finite"],
        "mean": spread["mean"], "minimum": spread["minimum"],
        "5 %": quantiles.get("0.05"), "median": quantiles.get("0.5"), "95 %": quantiles.get("0.95"),
        "maximum": spread["maximum"],
    }  # fmt: skip


def _length(text: CaptionLengths, kind: str, lengths: Lengths, unknown: int) -> dict[str, Any]:
    counts = {"count": text["captions"] - unknown, "missing": text["missing"] + unknown}
    return _spread(f"{text['column']}, {kind}", {**lengths, **counts, "not_finite": 0})


def _all_values(numbers: ClipNumbers) -> Iterator[tuple[str, str]]:
    for values in numbers["values"]:
        if not values["values"]:
            continue
        effective = f", effective number {values['effective']:,.1f}" if values["effective"] else ""
        without = f", {values['without']:,} clips without" if values["without"] else ""
        many = f"{values['different']:,} values{effective}{without}"
        shown, left = values["values"][:_VALUES], values["values"][_VALUES:]
        if values["role"] == "date":
            shown, left = sorted(values["values"], key=lambda row: row["value"]), []
        left = [*left, *([values["rest"]] if values["rest"] else [])]
        if left:
            more = values["different"] - len(shown)
            shown.append({
                "value": f"({more:,} more)",
                "clips": sum(row["clips"] for row in left),
                "hours": sum(row["hours"] for row in left),
                "share": sum(row["share"] for row in left),
            })  # fmt: skip
        rows = [
            {**row, "share": _percent(row["share"]), "hours": _hours(row["hours"])} for row in shown
        ]
        role = "" if values["role"] in (values["column"], "value") else f" ({values['role']})"
        yield f"{values['column']}{role}, share of {values['by']}: {many}", table(rows)


def _all_words(numbers: ClipNumbers) -> Iterator[tuple[str, str]]:
    for found in numbers["verbs"]:
        title = f"verbs and nouns of {found['column']}"
        if found["tagger"] is None:
            yield (
                title,
                found["says"] + (f"; install: {found['install']}" if found["install"] else ""),
            )
            continue
        passed = (
            f", {found['passed_over']:,} not English passed over" if found["passed_over"] else ""
        )
        read = f"of {found['captions']:,} captions read of {found['of']:,} (seed {found['seed']})"
        lines = [f"{read}{passed}; {found['tagger']}, {found['says']}"]
        for kind, words in (("verbs", found["verbs"]), ("nouns", found["nouns"])):
            commonest = ", ".join(
                f"{row['word']} {row['count']:,}" for row in words["commonest"][:_WORDS]
            )
            lines.append(
                f"{words['distinct']:,} distinct {kind} ({words['distinct_lemmas']:,} words), "
                f"{words['per_1000_captions'] or 0:,.0f} in 1,000 captions: {commonest or 'none'}"
            )
        yield title, "\n".join(lines)


def _percent(share: float | None) -> str:
    if share is None:
        return "-"
    return f"{100 * share:.1f} %"


def _hours(hours: float) -> str:
    return f"{hours:,.3f}" if hours < 100 else f"{hours:,.0f}"


def _big(value: float | None) -> str:
    if value is None:
        return "-"
    if float(value).is_integer():
        return f"{int(value):,}"
    return f"{value:,.3f}" if value < 1 else f"{value:,.1f}"
