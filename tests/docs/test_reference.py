"""What the manual lists exists, and what exists is listed, with the right types and values."""

from __future__ import annotations

import dataclasses
import re
from fractions import Fraction
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import typer.main

from internvid import recipes
from internvid.cli.app import app
from internvid.core import errors, registry
from internvid.core.assignments import settings_of
from internvid.core.types import LEAD, TRANSITIONS, ColumnSpec
from internvid.curate.filters import DEFAULT_FILTERS, PAPER_FILTERS
from internvid.dataset.tables import (
    ANNOTATION_KEYS,
    ARROW_TYPES,
    CLIP_FIELDS,
    PICK_SCHEMA,
    VIDEO_SCHEMA,
)
from internvid.scan.observers.audio import LoudnessMeter
from internvid.scan.refine import LEAD_SPEC
from internvid.synthetic import truth
from internvid.video.colours import COLOUR_NAMES
from tests.docs.manual import PACKAGE, PAGES, ROOT, page, rows, sections

COMMANDS = typer.main.get_command(app).commands


def error_classes() -> dict[str, type[Exception]]:
    return {
        name: kind
        for module in (errors, truth)
        for name, kind in vars(module).items()
        if name.endswith("Error") and isinstance(kind, type)
    }


def test_every_command_has_a_section_and_no_other_has() -> None:
    headings = set(re.findall(r"^## (.+)$", page("cli.md"), re.MULTILINE))
    assert headings - {"Shell completion", "Errors"} == set(COMMANDS)


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_the_options_of_a_command_are_listed(name: str) -> None:
    listed = {
        option
        for row in rows(sections(page("cli.md"))[name])
        for option in re.findall(r"--?[a-z][a-z-]*", row[0])
    }
    real = {
        option
        for parameter in COMMANDS[name].params
        for option in (*parameter.opts, *parameter.secondary_opts)
        if option.startswith("-")
    }
    assert listed == real - {"--help", "-h"}


def test_errors_are_listed_with_their_exit_codes() -> None:
    listed = {row[0]: row[1] for row in rows(sections(page("cli.md"))["Errors"])}
    assert listed == {
        name: "2" if issubclass(kind, errors.MisuseError) else "1"
        for name, kind in vars(errors).items()
        if isinstance(kind, type) and issubclass(kind, errors.InternvidError)
    }


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_errors_that_a_page_names_exist(path: Path) -> None:
    named = set(re.findall(r"\b[A-Z]\w+Error\b", path.read_text("utf-8")))
    assert named <= set(error_classes())


def test_kinds_of_components_are_listed() -> None:
    listed = [row[0] for row in rows(sections(page("components.md"))["Components"])]
    assert listed == list(registry.KINDS)


@pytest.mark.parametrize("kind", registry.KINDS)
def test_components_are_listed_with_their_fields(kind: str) -> None:
    listed: dict[str, dict[str, str]] = {}
    name = ""
    for row in rows(sections(page("components.md"))[f"{kind.capitalize()}s"]):
        name = row[0] or name
        fields = listed.setdefault(name, {})
        if row[1]:
            fields[row[1]] = row[2]
    assert set(listed) == set(registry.COMPONENTS[kind])
    for component, fields in listed.items():
        real = {
            field.name: field.default
            for field in dataclasses.fields(registry.find(kind, component))
            if not field.name.startswith("_")
        }
        assert list(fields) == list(real), component
        for field, default in real.items():
            if default is not dataclasses.MISSING:
                assert fields[field] == (str(default) or "(none)"), f"{component}: {field}"


def _listed_types(heading: str) -> list[tuple[str, str]]:
    return [(row[0], row[1]) for row in rows(sections(page("dataset.md"))[heading])]


def _typed(fields: Any) -> list[tuple[str, str]]:
    return [(name, re.sub(r"list<\w+: ", "list<", str(kind))) for name, kind in fields]


def test_tables_are_described_column_by_column() -> None:
    reasons = {row[0] for row in rows(sections(page("dataset.md"))["videos"])} - set(
        VIDEO_SCHEMA.names
    )
    videos = [pair for pair in _listed_types("videos") if pair[0] not in reasons]
    assert videos == _typed((field.name, field.type) for field in VIDEO_SCHEMA)
    assert _listed_types("picks") == _typed((field.name, field.type) for field in PICK_SCHEMA)
    assert _listed_types("clips") == _typed(CLIP_FIELDS)
    assert tuple(name for name, _ in _listed_types("columns")) == ANNOTATION_KEYS


def test_signal_columns_are_described() -> None:
    listed = [(r[0], r[1], r[3]) for r in rows(sections(page("dataset.md"))["Signal columns"])]
    real: list[tuple[str, pa.DataType, str]] = [
        (column, ARROW_TYPES[kind], name)
        for name in registry.COMPONENTS["signal"]
        for column, kind in registry.find("signal", name).columns.items()
    ]
    typed = _typed((column, kind) for column, kind, _ in real)
    owners = [owner for _, _, owner in real]
    assert listed == [(*pair, owner) for pair, owner in zip(typed, owners, strict=True)]


def test_signals_say_what_each_column_measures() -> None:
    text = page("signals.md")
    for name in registry.COMPONENTS["signal"]:
        section = sections(text)[name]
        for column in registry.find("signal", name).columns:
            assert f"`{column}`" in section, f"{name}: {column}"


def test_timeline_columns_are_described() -> None:
    specs: dict[str, tuple[ColumnSpec, str]] = {}
    for name in registry.COMPONENTS["observer"]:
        for column, spec in registry.find("observer", name).columns.items():
            specs[column] = (spec, name)
    specs.update({name: (spec, "every scan") for name, spec in LoudnessMeter.columns.items()})
    specs[LEAD] = (LEAD_SPEC, "fast scans")
    listed = list(rows(sections(page("dataset.md"))["timelines"]))
    assert [row[0] for row in listed] == list(specs)
    for name, dtype, scale, unit, _meaning, observer in listed:
        spec, owner = specs[name]
        assert (dtype, unit, observer) == (spec.dtype, spec.unit, owner), name
        assert float(Fraction(scale)) == spec.scale, name


OPENING = [f"video/{name}.py" for name in ("probe", "still", "decode", "timing/decode_report")]


def test_reasons_of_failed_sources_are_described() -> None:
    columns = set(VIDEO_SCHEMA.names)
    listed = {row[0] for row in rows(sections(page("dataset.md"))["videos"])} - columns
    code = "\n".join(
        path.read_text("utf-8")
        for room in (*OPENING, "core/errors.py", "run", "pipeline")
        for path in sorted((PACKAGE / room).rglob("*.py") if "." not in room else [PACKAGE / room])
    )
    raised = set(re.findall(r'\breason\s*=\s*"(\w+)"', code))
    raised |= set(re.findall(r'Failure\(\s*"(\w+)"', code))
    raised |= set(re.findall(r'"reason",? ?:? ?"(\w+)"', code))
    # Of clips that cannot be exported or decoded once more: they stand in cli.md.
    assert raised - {"video_error", "error", "source_changed"} == listed


def test_filters_and_their_reasons_are_described() -> None:
    listed = {row[0]: row[1:] for row in rows(sections(page("signals.md"))["Filters"])}
    rules = {rule.reason: rule for rule in (*DEFAULT_FILTERS, *PAPER_FILTERS)}
    assert set(listed) == set(rules)
    for reason, (text, in_default, in_paper) in listed.items():
        rule = rules[reason]
        assert rule.column in text
        bound = rule.minimum if rule.minimum is not None else rule.maximum
        assert str(bound or "") in text
        assert in_default == ("yes" if rule in DEFAULT_FILTERS else "no")
        assert in_paper == ("yes" if rule in PAPER_FILTERS else "no")


def test_every_setting_of_every_recipe_is_listed() -> None:
    listed = list(rows(sections(page("recipes.md"))["Every setting"]))
    for at, name in enumerate(recipes.RECIPES, start=1):
        real = {
            path: str(value) if not isinstance(value, tuple) else ", ".join(value)
            for path, value in settings_of(recipes.get(name)).items()
            if value is not None
        }
        assert real.pop("name") == name
        assert {row[0]: row[at] for row in listed if row[at]} == real
        assert f"- `{name}`: " in page("recipes.md")


def test_transitions_and_detectors_are_described() -> None:
    text = page("shots.md")
    assert [row[0] for row in rows(sections(text)["Transitions"])] == list(TRANSITIONS)
    described = re.findall(r"^\*\*(\w+)\*\*", sections(text)["Detectors"], re.MULTILINE)
    assert set(described) == set(registry.COMPONENTS["detector"])


def test_colours_are_named_in_order() -> None:
    words = sections(page("dataset.md"))["picks"].split("in order: ")[1].split(".")[0]
    assert tuple(words.replace("\n", " ").split(", ")) == COLOUR_NAMES


def test_truth_of_the_world_is_described() -> None:
    section = sections(page("world.md"))["truth.json"]
    for record in (truth.VideoTruth, truth.ShotTruth):
        missing = {field.name for field in dataclasses.fields(record)} - set(
            re.findall(r"`(\w+)`", section)
        )
        assert missing == set(), record.__name__


def test_everything_in_a_dataset_folder_is_described(stocked: Path) -> None:
    data = stocked / "data"
    shown = page("dataset.md")
    for path in data.iterdir():
        assert re.search(rf"^{re.escape(path.name)}\b", shown, re.MULTILINE), path.name
    tables = {path.parent.name for path in data.rglob("part-00000.parquet")}
    assert {name.partition("@")[0] for name in tables} == {
        "sources", "videos", "timelines", "picks", "clips", "measured",
    }  # fmt: skip


def test_every_benchmark_has_a_section() -> None:
    named = set(re.findall(r"python -m benchmarks\.(\w+)", page("benchmarks.md")))
    for name in named:
        assert (ROOT / "benchmarks" / f"{name}.py").is_file()
    for name in ("scan", "shots", "signals"):
        assert name in named
        assert f"Results of the {name} benchmark" in sections(page("benchmarks.md"))
