"""One HTML file: results beside the paper's tables, each with its protocol.

Ours come from result files alone, the paper's from `published`. Every number of ours carries a
mark that leads to its protocol; where a column holds several protocols, its head says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import jinja2
import markupsafe

from internvid.core.errors import ConfigInvalidError
from internvid.dataset.parts import commit_bytes
from internvid.evaluation.results.protocol import Protocol, Result, read_result
from internvid.evaluation.results.published import OPEN_QUESTIONS, TABLES, Column, Table

# Tells our page from a stranger's file of the same name.
MARK = b'<meta name="generator" content="internvid evaluate">'
_PAGES = Path(__file__).parent / "pages"
_COLUMNS = {
    "top1": "top-1",
    "top5": "top-5",
    "mean_top1_top5": "mean of both",
    "mean_class_top1": "mean over classes",
    "mean_average_precision": "mAP",
    "weighted_average_precision": "weighted mAP",
    "strength": "strength",
    "r1": "R@1",
    "r5": "R@5",
    "r10": "R@10",
    "median_rank": "median rank",
    "mean_rank": "mean rank",
    "mean_recall": "mean recall",
}
_LONGEST_FIRST = tuple(sorted(_COLUMNS, key=len, reverse=True))
_MAIN = ("top1", "mean_average_precision", "text_to_video_r1", "video_to_text_r1")
_MOST_MISSING = 50
_WORST_CLASSES = 10


@dataclass(frozen=True)
class Named:
    """A result with its place on the page.

    Attributes:
        title: of the model.
        mark: of its protocol: P1, P2, ...
        result: the numbers.
        file: name of the result file.
    """

    title: str
    mark: str
    result: Result
    file: str


@dataclass(frozen=True)
class Cell:
    """One number of ours.

    Attributes:
        text: the number, or a dash.
        mark: of its protocol; empty without a number.
        is_best: whether it is the highest of its protocol in the column.
    """

    text: str = "–"
    mark: str = ""
    is_best: bool = False


@dataclass(frozen=True)
class ColumnHead:
    """A column with the protocols of ours in it.

    Attributes:
        column: what it holds.
        marks: protocols of ours; more than one is stated.
    """

    column: Column
    marks: tuple[str, ...]


@dataclass(frozen=True)
class ShownTable:
    """A table of the paper with our lines below its own.

    Attributes:
        table: the paper's.
        heads: one per column.
        ours: (model, cells) per line.
        warnings: columns that hold several protocols, with the fields that differ.
    """

    table: Table
    heads: tuple[ColumnHead, ...]
    ours: tuple[tuple[str, tuple[Cell, ...]], ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Line:
    """Numbers of one result that belong together, such as one direction of retrieval.

    Attributes:
        one: the result.
        what: which numbers; empty for the main ones.
        values: one per column of the group; empty where it has no such number.
    """

    one: Named
    what: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class Group:
    """Results of one benchmark by one protocol.

    Attributes:
        benchmark: its name.
        mark: of the protocol.
        columns: names of numbers.
        lines: of all models.
    """

    benchmark: str
    mark: str
    columns: tuple[str, ...]
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class ShownProtocol:
    """A protocol in words.

    Attributes:
        mark: P1, P2, ...
        fingerprint: of all its fields.
        facts: (field, value) of those that say something.
    """

    mark: str
    fingerprint: str
    facts: tuple[tuple[str, str], ...]


def write_page(files: Sequence[Path], output: Path) -> Path:
    """Write the page.

    Args:
        files: results of `internvid evaluate`, at least one.
        output: the HTML file.

    Raises:
        ConfigInvalidError: no file is named.
        DatasetFormatError: a file holds no result.
        StorageError: the page cannot be written.
    """
    if not files:
        raise ConfigInvalidError("a page needs results", hint="internvid evaluate --page *.json")
    named = name_results([(path.name, read_result(path)) for path in files])
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_PAGES), autoescape=True, trim_blocks=True,
        lstrip_blocks=True, undefined=jinja2.StrictUndefined,
    )  # fmt: skip
    style = markupsafe.Markup((_PAGES / "results.css").read_text("utf-8"))
    html = environment.get_template("results.html").render(
        style=style,
        tables=[show_table(table, named) for table in TABLES],
        groups=show_groups(named),
        protocols=show_protocols(named),
        results=named,
        questions=OPEN_QUESTIONS,
        most_missing=_MOST_MISSING,
        worst=_worst_classes,
        main=_main_metrics,
    )
    commit_bytes(output, html.encode("utf-8"))
    return output


def name_results(results: Sequence[tuple[str, Result]]) -> list[Named]:
    """Results with the marks of their protocols, in the order in which they first occur."""
    marks: dict[str, str] = {}
    named = []
    for file, result in results:
        mark = marks.setdefault(result.protocol.fingerprint, f"P{len(marks) + 1}")
        title = str(result.model.get("name") or "unnamed")
        if result.model.get("frame_aggregation"):
            title += f" ({result.model['frame_aggregation']})"
        named.append(Named(title, mark, result, file))
    return named


def show_table(table: Table, named: Sequence[Named]) -> ShownTable:
    """A table of the paper with our lines: one per model, and per protocol of a column."""
    if not table.takes_ours:
        heads = tuple(ColumnHead(column, ()) for column in table.columns)
        return ShownTable(table, heads, (), ())
    own = [one for one in named if any(_has(one, column) for column in table.columns)]
    tuned = [one for one in own if table.zero_shot and one.result.model.get("head")]
    own = [one for one in own if one not in tuned]
    lines: list[tuple[str, tuple[Cell, ...]]] = []
    for key in dict.fromkeys((one.title, str(one.result.model.get("weights"))) for one in own):
        mine = [o for o in own if (o.title, str(o.result.model.get("weights"))) == key]
        # A model measured twice on one set, by two protocols, takes two lines.
        while mine:
            taken: dict[_Set, Named] = {}
            for one in list(mine):
                if _set_of(one) not in taken:
                    taken[_set_of(one)] = one
                    mine.remove(one)
            lines.append((key[0], tuple(_cell(taken, column, own) for column in table.columns)))
    heads = tuple(
        ColumnHead(
            column,
            tuple(dict.fromkeys(o.mark for o in own if _has(o, column))),
        )
        for column in table.columns
    )
    left_out = [
        f"{one.title} on {one.result.protocol.benchmark} is left out: the model is fine-tuned"
        for one in tuned
    ]
    return ShownTable(table, heads, tuple(lines), (*_warnings(heads, own), *left_out))


_Set = tuple[str, str]


def _set_of(one: Named) -> _Set:
    """The benchmark, and whose files it read where it can read several sets'."""
    protocol = one.result.protocol
    return protocol.benchmark, str(protocol.details.get("of", ""))


def _has(one: Named, column: Column) -> bool:
    is_of = _set_of(one) == (column.benchmark, column.of)
    return is_of and column.metric in one.result.metrics


def _cell(taken: dict[_Set, Named], column: Column, own: Sequence[Named]) -> Cell:
    one = taken.get((column.benchmark, column.of))
    if one is None or not _has(one, column):
        return Cell()
    value = one.result.metrics[column.metric]
    rivals = [
        o.result.metrics[column.metric] for o in own if _has(o, column) and o.mark == one.mark
    ]
    return Cell(f"{value:.2f}", one.mark, len(rivals) > 1 and value >= max(rivals))


def _warnings(heads: Sequence[ColumnHead], own: Sequence[Named]) -> list[str]:
    warnings = []
    # Two columns a set.
    for head in heads[::2]:
        first: dict[str, Protocol] = {}
        for one in own:
            if one.mark in head.marks:
                first.setdefault(one.mark, one.result.protocol)
        if len(first) < 2:
            continue
        (mark, protocol), *others = first.items()
        parts = [f"{other} in {', '.join(protocol.differences(p))}" for other, p in others]
        warnings.append(
            f"{head.column.title}: {', '.join(first)} are different protocols and not "
            f"comparable; from {mark} differ {'; '.join(parts)}"
        )
    return warnings


def show_groups(named: Sequence[Named]) -> list[Group]:
    """Every result with every metric, by benchmark and protocol."""
    keys = sorted({(one.result.protocol.benchmark, int(one.mark[1:])) for one in named})
    groups = []
    for benchmark, number in keys:
        own = [one for one in named if one.mark == f"P{number}"]
        split = [(one, _split_metrics(one.result.metrics)) for one in own]
        used = {name for _, parts in split for numbers in parts.values() for name in numbers}
        columns = [name for name in _COLUMNS if name in used] + sorted(used - set(_COLUMNS))
        lines = [
            Line(one, what, tuple(_number(name, numbers.get(name)) for name in columns))
            for one, parts in split
            for what, numbers in parts.items()
        ]
        titles = tuple(_COLUMNS.get(name, name.replace("_", " ")) for name in columns)
        groups.append(Group(benchmark, f"P{number}", titles, tuple(lines)))
    return groups


def _split_metrics(metrics: Mapping[str, float]) -> dict[str, dict[str, float]]:
    """What the numbers are of -> column -> number; the main ones first."""
    parts: dict[str, dict[str, float]] = {}
    for name in sorted(metrics, key=lambda name: ("middle_frame" in name, name)):
        split_at = next(
            (c for c in _LONGEST_FIRST if name == c or name.endswith((f"_{c}", f"/{c}"))), name
        )
        what = name.removesuffix(split_at).strip("_/").replace("_", " ").replace("/", ", ")
        parts.setdefault(what, {})[split_at] = metrics[name]
    order = sorted(parts, key=lambda what: ("middle frame" in what, what != "", what))
    return {what: parts[what] for what in order}


def _number(column: str, value: float | None) -> str:
    if value is None:
        return ""
    text = f"{value:.2f}"
    return text.removesuffix(".00") if column in ("median_rank", "strength") else text


def show_protocols(named: Sequence[Named]) -> list[ShownProtocol]:
    """Every protocol once, in words; empty fields are left out."""
    shown = {}
    for one in named:
        if one.mark not in shown:
            protocol = one.result.protocol
            facts = [
                (field.name.replace("_", " "), _words(getattr(protocol, field.name)))
                for field in fields(protocol)
                if field.name != "details" and getattr(protocol, field.name) not in ("", None)
            ]
            facts += [
                (key.replace("_", " "), _words(value))
                for key, value in protocol.details.items()
                if value not in ("", None)
            ]
            if protocol.wise_ft is None:
                facts.append(("wise ft", "not recorded"))
            shown[one.mark] = ShownProtocol(one.mark, protocol.fingerprint, tuple(facts))
    return list(shown.values())


def _words(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return ", ".join(str(item) for item in value)
    return str(value)


def _main_metrics(metrics: Mapping[str, float]) -> list[tuple[str, float]]:
    """The few numbers that stand for a run of one seed."""
    names = [f"{prefix}{name}" for name in _MAIN for prefix in ("", "middle_frame_")]
    chosen = [name for name in names if name in metrics] or sorted(metrics)[:2]
    return [(name, metrics[name]) for name in chosen]


def _worst_classes(result: Result) -> list[tuple[str, float]]:
    return sorted(result.classes.items(), key=lambda item: (item[1], item[0]))[:_WORST_CLASSES]
