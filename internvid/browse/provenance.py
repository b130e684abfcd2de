"""What made the dataset: read from its record, never from a clock or a path."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from internvid.browse.distributions import Threshold
from internvid.browse.wording import number, shorten
from internvid.dataset.layout import FORMAT_VERSION, Record


@dataclass(frozen=True)
class Fact:
    """One line: a term, its value, and the fields that decide it."""

    term: str
    value: str
    fields: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Rule:
    """A filter of the cut: which value of which column rejects a clip."""

    column: str
    reason: str
    minimum: float | None
    maximum: float | None

    @property
    def is_flag(self) -> bool:
        """Whether the column answers yes or no, by the house's names for such columns."""
        return self.column.startswith(("is_", "has_"))

    @property
    def says(self) -> str:
        """The condition that rejects: `duration_seconds < 1`, `is_still`, `not has_audio`."""
        if self.is_flag:
            return self.column if self.minimum is None else f"not {self.column}"
        sides = []
        if self.minimum is not None:
            sides.append(f"{self.column} < {number(self.minimum)}")
        if self.maximum is not None:
            sides.append(f"{self.column} > {number(self.maximum)}")
        return " or ".join(sides) or self.column

    def verdict(self, value: float) -> str:
        """The value that condemned a clip, with its column: `duration_seconds 0.8`."""
        return self.says if self.is_flag else f"{self.column} {number(value)}"


@dataclass(frozen=True)
class Author:
    """Who wrote a column: `kind` is measured, model, or fake; `name` says more."""

    kind: str
    column: str
    name: str
    key: str

    @property
    def says(self) -> str:
        """The label beside a text: `measured`, `vlm · model acme/vlm-7b`, `echo · stand-in`."""
        if self.kind == "measured":
            return "measured" if self.column == "measured" else f"{self.column} · measured"
        return f"{self.column} · " + (f"model {self.name}" if self.kind == "model" else "stand-in")


def rules(record: Record) -> tuple[Rule, ...]:
    """The filters of the current cut, in the order they are tried."""
    fields = _fields(record.cuts.get(record.cut or "", {}))
    lines = []
    for entry in fields.get("filters") or ():
        values = _fields(entry)
        if "column" in values and "reason" in values:
            lines.append(
                Rule(
                    str(values["column"]), str(values["reason"]),
                    values.get("minimum"), values.get("maximum"),
                )
            )  # fmt: skip
    return tuple(lines)


def thresholds(record: Record) -> dict[str, tuple[Threshold, ...]]:
    """Column -> the values its filters compare it with."""
    limits: dict[str, tuple[Threshold, ...]] = {}
    for rule in rules(record):
        for value, side in ((rule.minimum, "≥"), (rule.maximum, "≤")):
            if value is not None:
                mark = Threshold(float(value), side, rule.reason)
                limits[rule.column] = (*limits.get(rule.column, ()), mark)
    return limits


def authors(record: Record) -> dict[str, Author]:
    """Annotation column -> who wrote it."""
    names = {}
    for name, key in record.columns.get(record.cut or "", {}).items():
        recipe = record.column_recipes.get(key, {})
        component = str(recipe.get("component", ""))
        model = _model_of(recipe) or component.rpartition(":")[2]
        if component.startswith("internvid.captions.measured:"):
            names[name] = Author("measured", name, "written from measured signals, no model", key)
        elif component.startswith("internvid.synthetic."):
            names[name] = Author("fake", name, "a stand-in for tests, sees nothing", key)
        else:
            names[name] = Author("model", name, shorten(model or name, 80), key)
        for extra in recipe.get("extras", {}):
            names[f"{name}_{extra}"] = replace(names[name], column=f"{name}_{extra}")
    return names


def _model_of(recipe: Mapping[str, Any]) -> str:
    """What the models of a column are called; their fingerprints stand among the fields."""
    named = recipe.get("weights", {})
    if isinstance(named, Mapping) and named:
        return ", ".join(dict.fromkeys(map(str, named.values())))
    fields = _fields(recipe)
    served = _fields(fields.get("served")).get("model")
    return str(served or fields.get("model") or fields.get("checkpoint") or "")


def provenance(record: Record, program_version: str) -> tuple[Fact, ...]:
    """Everything that decides what is in the dataset."""
    cut = record.cuts.get(record.cut or "", {})
    scan = record.scans.get(record.scan or "", {})
    cut_fields = _fields(cut)
    signals = ", ".join(map(_name_and_fields, cut_fields.get("signals") or ()))
    facts = [
        Fact("Cut", record.cut or "none", ()),
        _component("Detector", cut_fields.get("detector")),
        _component("Clips from shots", cut_fields.get("stitch")),
        Fact("Signals", signals or "none"),
        Fact(
            "Filters",
            "; ".join(f"{rule.reason} if {rule.says}" for rule in rules(record)) or "none",
        ),
        Fact("Scan", record.scan or "none", _plain_fields(scan)),
        _component("Stored pictures", _fields(scan).get("picks")),
    ]
    for name, key in sorted(record.columns.get(record.cut or "", {}).items()):
        facts.append(_component(f"Column {name}", record.column_recipes.get(key), key))
    facts.append(Fact("Format", f"internvid dataset, version {FORMAT_VERSION}"))
    facts.append(Fact("Page written by", f"internvid {program_version}"))
    return tuple(facts)


def _fields(entry: Any) -> Mapping[str, Any]:
    fields = entry.get("fields", {}) if isinstance(entry, Mapping) else {}
    return fields if isinstance(fields, Mapping) else {}


def _name(entry: Any) -> str:
    if isinstance(entry, Mapping):
        return str(entry.get("component", "")).rpartition(":")[2] or "unnamed"
    return str(entry)


def _name_and_fields(entry: Any) -> str:
    """A component that stands by its name has its defaults; of another its fields are shown."""
    fields = ", ".join(f"{name} {value}" for name, value in _plain_fields(entry))
    return f"{_name(entry)} ({fields})" if fields else _name(entry)


def _component(term: str, entry: Any, key: str = "") -> Fact:
    if not isinstance(entry, Mapping):
        return Fact(term, key or "none")
    version = f"version {entry.get('version', 1)}"
    return Fact(term, " · ".join(filter(None, (_name(entry), version, key))), _plain_fields(entry))


def _plain_fields(entry: Any) -> tuple[tuple[str, str], ...]:
    return tuple(
        (name, _plain(value))
        for name, value in sorted(_fields(entry).items())
        if not isinstance(value, Mapping) and not _holds_components(value)
    )


def _holds_components(value: Any) -> bool:
    return isinstance(value, list) and any(isinstance(item, Mapping) for item in value)


def _plain(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(_plain(item) for item in value) or "none"
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else shorten(value, 200)
