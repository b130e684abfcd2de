"""From a request to a job: which column is meant, what it reads, what it is called."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from internvid.core.annotators import set_up, traits_of
from internvid.core.config import fingerprint, identity, plain
from internvid.core.errors import (
    ConfigInvalidError,
    DatasetFormatError,
    MisuseError,
    WeightsMissingError,
)
from internvid.core.registry import create
from internvid.dataset.answers.column_inputs import IS_STALE, text_chain
from internvid.dataset.answers.columns import is_text_column
from internvid.dataset.current import gone_videos
from internvid.dataset.layout import ColumnEntry, Layout, Record
from internvid.dataset.names import NAME, reserved_name
from internvid.dataset.parts import read_part, read_part_schema
from internvid.dataset.store import Dataset
from internvid.dataset.tables import ANNOTATION_KEYS
from internvid.pipeline.annotate.redo import clips_to_redo, with_fresh_answers
from internvid.pipeline.annotate.stream import ColumnJob
from internvid.pipeline.recipe import ColumnInputs, column_key


@dataclass(frozen=True)
class ColumnRequest:
    """One column that somebody asks for.

    Attributes:
        name: what the column is called.
        component: a captioner or scorer.
        subset: only this subset's clips; every kept clip when None.
        text: name of the text column it reads; None where it reads none, or where there is
            only one.
        redo: clips with answers that are bad in one of these ways are requested again, past any
            cache (see `internvid.pipeline.annotate.redo`).
        retry: also ask about clips that failed for a reason that lasts.
    """

    name: str
    component: Any
    subset: str | None = None
    text: str | None = None
    redo: tuple[str, ...] = ()
    retry: bool = False


def column_job(
    layout: Layout, record: Record, request: ColumnRequest, *, fixed_text: bool = False
) -> ColumnJob:
    """What a request means for a dataset.

    Args:
        layout, record: the dataset.
        request: the column.
        fixed_text: the caller gives the text itself; no text column is looked for.

    Raises:
        MisuseError: it cannot be done as requested.
        DatasetFormatError: the dataset has no finished build.
    """
    if record.scan is None or record.cut is None:
        raise DatasetFormatError(
            f"{layout.root} has no finished build yet",
            hint="run internvid build again to finish it; see internvid status",
        )
    component = request.component
    if isinstance(component, str):
        component = _named(component)
    text = None if fixed_text else _text_key(layout, record, request, component)
    inputs = ColumnInputs(record.scan, _signals_of(record), text)
    parts = tuple(part["name"] for part in record.parts)
    only = None
    if request.subset is not None:
        path = Dataset(layout, record).subset_path(request.subset)
        only = frozenset(read_part(path, columns=["clip_id"])["clip_id"].to_pylist())
    key = key_of(request.name, component, inputs)
    gone = gone_videos(layout, record.scan, parts)
    redo: frozenset[str] = frozenset()
    if request.redo:
        redo = clips_to_redo(layout, record, key, request.redo)
        component = with_fresh_answers(component)
    job = ColumnJob(
        layout, record.scan, record.cut, key, component, parts, only, text,
        gone=gone,
        redo=redo,
        read_texts=_read_texts(record, record.cut, text),
        retry=request.retry,
    )  # fmt: skip
    _check_name(request.name, job, record)
    return job


def _read_texts(record: Record, cut: str, text: str | None) -> tuple[str, ...]:
    """A text column, the one it was made from, and so on; nothing where one is not current."""
    if text is None:
        return ()
    chain = (text, *text_chain(record, text))
    return chain if set(record.columns.get(cut, {}).values()).issuperset(chain) else ()


def _named(component: str) -> Any:
    try:
        return create("captioner", component)
    except MisuseError:
        return create("scorer", component)


def key_of(name: str, component: Any, inputs: ColumnInputs) -> str:
    """`name@fingerprint`; weights that are not here yet are fetched by the component's setup.

    Raises:
        InternvidError: they cannot be had.
    """
    try:
        return column_key(name, component, inputs)
    except WeightsMissingError:
        set_up(component)
        return column_key(name, component, inputs)


def _check_name(name: str, job: ColumnJob, record: Record) -> None:
    if not NAME.fullmatch(name):
        raise MisuseError(f"{name!r} cannot name a column: use letters, digits, '.', '_' and '-'")
    extras = job.traits.extras
    wrong = sorted(set(extras) & {*ANNOTATION_KEYS, IS_STALE})
    if wrong:
        raise ConfigInvalidError(f"an extra column cannot be called {wrong[0]!r}")
    taken: set[str] = set()
    for part in job.parts[:1]:
        path = job.layout.clips(job.cut, part)
        taken |= set(read_part_schema(path).names) if path.exists() else set()
    for other, key in record.columns.get(job.cut, {}).items():
        known = record.column_recipes.get(key, {})
        if other != name:
            taken |= {other, *(f"{other}_{extra}" for extra in known.get("extras", {}))}
    # SQL takes names that differ in case alone for the same.
    lowered = {each.lower() for each in taken}
    mine = [name, *(f"{name}_{extra}" for extra in extras)]
    if reserved := reserved_name(mine):
        raise MisuseError(
            f"{reserved!r} is a name that is given to rows in a selection",
            hint="choose another name with --as",
        )
    clash = [each for each in mine if each.lower() in lowered]
    if clash:
        raise MisuseError(
            f"the clips have a column {clash[0]!r} already", hint="choose another name with --as"
        )


def _text_key(layout: Layout, record: Record, request: ColumnRequest, component: Any) -> str | None:
    if "text" not in traits_of(component).reads:
        if request.text is not None:
            raise MisuseError(
                f"{type(component).__name__} reads no text column, so none can be given",
                hint="leave out --text",
            )
        return None
    assert record.cut is not None
    columns = record.columns.get(record.cut, {})
    texts = {
        name: key
        for name, key in columns.items()
        if is_text_column(layout, record, record.cut, key) and name != request.name
    }
    # Words about texts, such as their language or health, are no texts to read unless named.
    likely = [name for name, key in texts.items() if not _is_about_texts(record, key)] or [*texts]
    wanted = request.text or (likely[0] if len(likely) == 1 else None)
    if wanted not in texts:
        known = ", ".join(sorted(texts)) or "none"
        what = "several text columns" if wanted is None else f"no text column {wanted!r}"
        raise MisuseError(
            f"{layout.root} has {what if texts else 'no text column'}; it has: {known}",
            hint="name one with --text COLUMN; captions are made with internvid caption",
        )
    return texts[wanted]


def _is_about_texts(record: Record, key: str) -> bool:
    recipe = record.column_recipes.get(key, {})
    return bool(recipe.get("verb") == "score" and recipe.get("reads") == ["text"])


def _signals_of(record: Record) -> dict[str, str]:
    entry = record.cuts.get(record.cut or "", {})
    if "signals" in entry:
        return dict(entry["signals"])
    names = entry.get("fields", {}).get("signals", ())
    made = [create("signal", name) for name in names]
    return {type(signal).__name__: fingerprint(signal) for signal in made}


def note_column(record: Record, job: ColumnJob) -> None:
    """Remember what makes a column and what it reads, in memory."""
    known = record.column_recipes.get(job.column, {})
    entry = column_record(job.component, job.text)
    if "describes" in known:
        entry["describes"] = known["describes"]
    record.column_recipes[job.column] = entry


def column_record(component: Any, text: str | None = None) -> ColumnEntry:
    """What is recorded of a column beside its key.

    Args:
        component: that makes it.
        text: `name@fingerprint` of the text column that it reads.
    """
    traits = traits_of(component)
    made = identity(component)
    return {
        "component": made["component"],
        "version": made["version"],
        "fields": made["fields"],
        "verb": traits.verb,
        "value_type": traits.value_type,
        "extras": dict(traits.extras),
        "reads": sorted(traits.reads),
        "text": text,
        "weights": weights_of(component),
    }


def describe(record: Record, job: ColumnJob) -> None:
    """Remember what a loaded component tells of itself beyond its fields: its preprocessing."""
    if hasattr(job.component, "recorded"):
        record.column_recipes[job.column]["describes"] = plain(job.component.recorded())


def weights_of(component: Any) -> dict[str, str]:
    """Field -> name of each model that a component uses; of a local folder its last name."""
    names: dict[str, str] = {}
    for each in dataclasses.fields(component):
        value = getattr(component, each.name)
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            names |= {f"{each.name}.{key}": name for key, name in weights_of(value).items()}
        elif each.metadata.get("weights") and value:
            is_folder = Path(value).expanduser().exists()
            names[each.name] = Path(value).name if is_folder else value
    return names
