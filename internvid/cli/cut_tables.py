"""How `publish` shows what a trainer will see, what falls out, and by which rule."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from internvid.cli.output import duration, table_of_figures

_HOUR = 3600
_MOST_ROWS = 12
_WHY = {
    "no_caption": "no text in the caption column",
    "too_short_for_grid": "shorter than any frame count",
    "too_small": "sides below the multiple",
}
_NOT_WRITTEN = "could not be written"


def cut_tables(report: Mapping[str, Any], missing: Sequence[Mapping[str, Any]] = ()) -> str:
    """Tables of what is written, or would be, and of what is not.

    Args:
        report: the counts that a plan or a manifest has.
        missing: clips that could not be written.
    """
    parts = [*_windows(report.get("buckets") or ()), _clips(report, missing)]
    return "\n\n".join([*parts, *_texts(report)])


def text_warning(report: Mapping[str, Any]) -> str | None:
    """What to warn of: texts of which a trainer would read only the beginning."""
    tokens = report.get("tokens")
    if not tokens or not tokens["texts_over_limit"]:
        return None
    how = "estimated" if tokens["counted_by"] == "estimate" else f"by {tokens['counted_by']}"
    return (
        f"warning: {tokens['texts_over_limit']} of {report['clips']} texts have more than "
        f"{tokens['limit']} tokens ({how}; the longest {tokens['longest']}): what is over is not "
        "read"
    )


def _windows(buckets: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    if not buckets:
        return
    whole = sum(each["windows"] for each in buckets)
    if len(buckets) <= _MOST_ROWS:
        rows = [
            {"frames": _frames(each), "size": _size(each), **_share([each], whole)}
            for each in buckets
        ]
        yield "windows by frames and size\n" + table_of_figures(rows)
        return
    for name, key in (("frames", _frames), ("size", _size)):
        groups: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
        for each in buckets:
            groups[key(each)].append(each)
        commonest = sorted(groups, key=lambda group: -_sum(groups[group], "windows"))
        # A line of others says no more than the line of one other.
        most = len(groups) if len(groups) <= _MOST_ROWS + 1 else _MOST_ROWS
        shown = commonest[:most]
        if key is _frames:
            shown.sort()
        rows = [{name: group, **_share(groups[group], whole)} for group in shown]
        if rest := commonest[most:]:
            others = [each for group in rest for each in groups[group]]
            rows.append({name: f"({len(rest)} more)", **_share(others, whole)})
        yield f"windows by {name}\n" + table_of_figures(rows)


def _share(buckets: Sequence[Mapping[str, Any]], whole: int) -> dict[str, str]:
    windows, seconds = _sum(buckets, "windows"), _sum(buckets, "hours") * _HOUR
    return {
        "seconds each": f"{seconds / windows:.2f}",
        "windows": f"{windows:,.0f}",
        "share": f"{100 * windows / whole:.1f} %",
        "together": duration(seconds),
    }


def _clips(report: Mapping[str, Any], missing: Sequence[Mapping[str, Any]]) -> str:
    dropped, hours = report["dropped"], report["dropped_hours"]
    lost: Counter[str] = Counter()
    lost_seconds: defaultdict[str, float] = defaultdict(float)
    for each in missing:
        lost[each["reason"]] += 1
        lost_seconds[each["reason"]] += each["end_seconds"] - each["start_seconds"]
    rows = [
        _row("in windows", report["clips"], report["hours"] * _HOUR, report["windows"]),
        _row("  rest of these clips", None, report["unused_hours"] * _HOUR),
        *(_row(why, count, hours[why] * _HOUR) for why, count in dropped.items()),
        *(_row(why, count, lost_seconds[why]) for why, count in lost.items()),
    ]
    notes = [
        "",
        "",
        "",
        *(_WHY.get(why, "left out") for why in dropped),
        *[_NOT_WRITTEN] * len(lost),
    ]
    if dropped or lost:
        rows.append(_row("all", report["clips"] + sum(dropped.values()) + lost.total(), None))
    lines = table_of_figures(rows).splitlines()
    width = max(map(len, lines))
    noted = zip(lines, [*notes, ""], strict=False)
    return "\n".join(f"{line:<{width}}  {note}".rstrip() for line, note in noted)


def _row(
    name: str, clips: int | None, seconds: float | None, windows: int | None = None
) -> dict[str, str]:
    return {
        "": name,
        "clips": "" if clips is None else f"{clips:,}",
        "windows": "" if windows is None else f"{windows:,}",
        "time": "" if seconds is None else duration(seconds),
    }


def _texts(report: Mapping[str, Any]) -> Iterator[str]:
    captions, tokens = report.get("captions") or {}, report.get("tokens")
    if len(captions) > 1:
        counts = ", ".join(f"{count:,} from {name}" for name, count in captions.items())
        yield f"texts: {counts}"
    if tokens and not tokens["texts_over_limit"]:
        how = ", an estimate" if tokens["counted_by"] == "estimate" else ""
        yield f"texts: none over {tokens['limit']} tokens; the longest has {tokens['longest']}{how}"


def _frames(bucket: Mapping[str, Any]) -> str:
    return str(bucket["frames"]).rjust(len("frames"))


def _size(bucket: Mapping[str, Any]) -> str:
    return f"{bucket['width']}x{bucket['height']}" if bucket["width"] else "unknown"


def _sum(buckets: Sequence[Mapping[str, Any]], name: str) -> float:
    return float(sum(each[name] for each in buckets))
