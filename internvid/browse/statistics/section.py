"""What the section of statistics says: figures, shares beside the paper's, words, warnings."""

from __future__ import annotations

from dataclasses import dataclass

from internvid.browse.distributions import Shares
from internvid.browse.wording import count, number, plural, share, shorten
from internvid.curate.statistics import ClipNumbers, dataset_statistics
from internvid.curate.statistics import spreads as counted
from internvid.curate.statistics.dominance import Warned, shown_value
from internvid.curate.statistics.groupings import ValueShares
from internvid.curate.statistics.verbs import CaptionVerbs
from internvid.dataset.store import Dataset

_VALUES = 10
_NOT_READ = "No caption was read for this page; internvid report DATASET reads them."


@dataclass(frozen=True)
class Figure:
    """One figure, here and in the paper; `note` is what to know before comparing."""

    name: str
    here: str
    paper: str
    note: str = ""


@dataclass(frozen=True)
class ValueBars:
    """The largest values of a column.

    Attributes:
        column, role: where. by: what the shares are of, hours or clips.
        rows: (value, percent, clips), the last one all others together where there are more.
        note: how uneven they are, and how many clips have no value.
    """

    column: str
    role: str
    by: str
    rows: tuple[tuple[str, float, str], ...]
    note: str


@dataclass(frozen=True)
class WordList:
    """The verbs, or the nouns, of a column of captions.

    Attributes:
        title: which, how many different ones. words: (lemma, how often).
        note: of how many captions, and what found them; or what is missing.
    """

    title: str
    words: tuple[tuple[str, str], ...]
    note: str


@dataclass(frozen=True)
class Statistics:
    """All that the section shows."""

    figures: tuple[Figure, ...]
    shares: tuple[Shares, ...]
    values: tuple[ValueBars, ...]
    words: tuple[WordList, ...]
    warnings: tuple[str, ...]
    estimates: tuple[str, ...]


def statistics_section(dataset: Dataset, captions: int | None) -> Statistics:
    """The statistics of the kept clips.

    Args:
        dataset: to count in.
        captions: how many captions to read for verbs; all when None.
    """
    numbers = dataset_statistics(dataset, captions=captions)
    # A source's name is a hash here, and means nothing to a reader.
    shown = [values for values in numbers["values"] if values["role"] != "source"]
    return Statistics(
        figures=_figures(numbers),
        shares=_all_shares(numbers),
        values=tuple(_bars(values) for values in shown if values["values"]),
        words=tuple(each for found in numbers["verbs"] for each in _words(found)),
        warnings=tuple(_warning(warned) for warned in numbers["warnings"]),
        estimates=tuple(numbers["approximate"]),
    )


def _figures(numbers: ClipNumbers) -> tuple[Figure, ...]:
    figures = [
        Figure(row["figure"], _big(row["here"]), _big(row["paper"]), row["note"])
        for row in numbers["paper"]
        if row["here"] is not None
    ]
    for values in numbers["values"]:
        if values["role"] == "source" and values["top_1"] is not None:
            largest = f"{share(values['top_1'], 1)}, {share(values['top_10'] or 0, 1)}"
            figures.append(Figure(f"{values['by']} in the largest source, in ten", largest, "–"))
            note = "as many equally large ones would be as uneven: 1 / sum of squared shares"
            figures.append(Figure("effective sources", number(values["effective"]), "–", note))
    spread = numbers["clips_per_source"]
    if spread is not None and spread["count"]:
        ends = f"{number(spread['quantiles']['0.5'])}, {number(spread['maximum'])}"
        figures.append(Figure("clips of a source: median, most", ends, "–"))
    return tuple(figures)


def _big(value: float | None) -> str:
    if value is None:
        return "–"
    return count(int(value)) if float(value).is_integer() else number(value)


def _all_shares(numbers: ClipNumbers) -> tuple[Shares, ...]:
    shares = [_shares(one) for one in numbers["shares"]]
    for text in numbers["captions"]:
        for lengths in (text["words"], text["characters"]):
            shares.append(_shares(lengths["shares"], text["column"]))
        if text["unspaced"]:
            more = f"{plural(text['unspaced'], 'caption')} without blanks between words left out"
            words = shares[-2]
            shares[-2] = Shares(words.title, words.unit, words.rows, more)
    return tuple(one for one in shares if one.total)


def _shares(one: counted.Shares, column: str = "") -> Shares:
    rows = tuple(
        (
            row["bucket"],
            row["count"],
            None if row["paper_share"] is None else round(100 * row["paper_share"], 1),
        )
        for row in one["buckets"]
    )
    title = f"{one['figure']} · {column}" if column else one["figure"]
    return Shares(title, one["unit"], rows, one["note"])


def _bars(values: ValueShares) -> ValueBars:
    shown = values["values"]
    if values["role"] == "date":
        shown = sorted(shown, key=lambda row: row["value"])
    else:
        shown = shown[:_VALUES]
    rows = [
        (shorten(row["value"], 60), round(100 * row["share"], 2), count(row["clips"]))
        for row in shown
    ]
    more = values["different"] - len(rows)
    if more:
        left = values["clips"] - sum(row["clips"] for row in shown)
        rest = max(0.0, 100 - sum(row[1] for row in rows))
        rows.append((f"{count(more)} more", round(rest, 2), count(left)))
    notes = [f"as uneven as {number(values['effective'])} equal ones"]
    if values["without"]:
        notes.append(f"{plural(values['without'], 'clip')} without")
    return ValueBars(values["column"], values["role"], values["by"], tuple(rows), ", ".join(notes))


def _words(found: CaptionVerbs) -> list[WordList]:
    if found["tagger"] is None:
        note = f"{found['says']}: {found['install']}" if found["install"] else _NOT_READ
        return [WordList(f"Verbs and nouns · {found['column']}", (), note)]
    read = f"of {plural(found['captions'], 'caption')} read of {count(found['of'])}"
    passed = f", {count(found['passed_over'])} passed over" if found["passed_over"] else ""
    by = f"{found['tagger']}, {found['says']}"
    lists = []
    for kind, words in (("verbs", found["verbs"]), ("nouns", found["nouns"])):
        often = f"{number(words['per_1000_captions'] or 0)} in 1,000 captions"
        lists.append(
            WordList(
                f"{count(words['distinct'])} distinct {kind} · {found['column']}",
                tuple((row["word"], count(row["count"])) for row in words["commonest"]),
                f"{read} (seed {found['seed']}){passed}; {often}; {by}",
            )
        )
    return lists


def _warning(warned: Warned) -> str:
    value = shorten(shown_value(warned), 100)
    return (
        f"{warned['column']}: {value} has {share(warned['share'], 1)} of the {warned['by']} "
        f"({warned['rule']})"
    )
