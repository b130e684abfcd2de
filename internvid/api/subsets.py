"""Subsets of a dataset: choose clips, and write them in a public format."""

from __future__ import annotations

import glob
import os
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from internvid.api.components import make_component
from internvid.api.datasets import DatasetLike, as_dataset, is_dataset
from internvid.core import registry
from internvid.core.errors import MisuseError
from internvid.core.several import several
from internvid.dataset.given import given_path, refuse_no_text
from internvid.dataset.store import Dataset

if TYPE_CHECKING:
    from internvid.core.contracts import Exporter, Selector
    from internvid.curate.select import SubsetSummary

# The field that a selector's one argument sets.
_ARGUMENTS = {
    "where": "condition",
    "random": "count",
    "div": "count",
    "flt": "count",
    "aes": "count",
    "cap": "count",
    "quota": "column",
    "split": "part",
    "outside": "subset",
}


def select(
    dataset: DatasetLike,
    selector: str | Selector,
    name: str | None = None,
    argument: str | int | None = None,
    *,
    subset: str | None = None,
    where: str | None = None,
    then: Sequence[str | Selector] = (),
    count: int | None = None,
    hours: float | None = None,
    seed: int | None = None,
    settings: Sequence[str] = (),
    out: str | os.PathLike[str] | None = None,
    with_rejected: bool = False,
    layout: str | None = None,
) -> SubsetSummary:
    """Choose clips of a dataset, or rows of a table, and record or write them.

    Args:
        dataset: a dataset; or a table (Parquet, csv, jsonl: a file, folder or glob) with our
            columns or those of InternVid, Panda-70M, Koala-36M, OpenVid-1M, ...
        selector: a name (see `list_components("selector")`), `"module:Class"` or an instance.
        name: of the subset, which holds ids with reasons; a table has none.
        argument: the selector's one argument: the SQL condition of `where`, the column of `quota`,
            the subset of `outside`, how many clips of the others.
        subset: only clips of this subset of the dataset.
        where: an SQL condition, checked before the selector.
        then: further selectors, each over what is left: instances, or texts like `"cap 3"`,
            `"random 1000 seed=7"`, `"where duration_seconds > 2"`.
        count: how many clips the selector takes.
        hours: at most so many hours of clips.
        seed: of the selector's draw.
        settings: fields of the selector as `"field=value"`.
        out: write the chosen rows here, with the columns that they came with: .parquet, .csv or
            .jsonl.
        with_rejected: keep each rejected clip and its reason too: beside the subset, and beside
            `out` with `.rejected` before its ending.
        layout: of a table, by name; recognised by its columns when None.

    Raises:
        MisuseError: neither a name nor a file, a name taken by another recipe, or nothing fits.
        ConfigInvalidError: a condition that cannot be read.
        OutputExistsError: `out` is there.
    """
    from internvid.curate.selectors.chain import Chain
    from internvid.curate.selectors.where import Where

    texts = {"name": name, "subset": subset, "where": where, "layout": layout}
    for what, text in texts.items():
        refuse_no_text(text, what)
    drawn = {"count": count, "hours": hours, "seed": seed}
    fields = [f"{field}={value}" for field, value in drawn.items() if value is not None]
    steps = [_make_selector(selector, argument, [*several(settings), *fields])]
    if where is not None:
        steps.insert(0, Where(where))
    steps += [_make_step(step) for step in several(then)]
    whole = steps[0] if len(steps) == 1 else Chain(tuple(steps))
    file = None if out is None else Path(given_path(out, "out"))
    if isinstance(dataset, Dataset) or is_dataset(dataset):
        from internvid.curate.select import select_clips

        return select_clips(
            as_dataset(dataset), whole, name, file, with_rejected=with_rejected, subset=subset
        )
    _refuse_subsets(dataset, name, subset)
    from internvid.curate.select_table import select_table

    return select_table(dataset, whole, file, with_rejected=with_rejected, layout=layout)


def _refuse_subsets(table: str | os.PathLike[str], name: str | None, subset: str | None) -> None:
    """Refuse what only a dataset has, of an input that is none."""
    if name is None and subset is None:
        return
    path = Path(table)
    if not (path.is_file() or glob.has_magic(str(path))):
        as_dataset(table)
    raise MisuseError(
        f"{path} is a table, which has no subsets",
        hint="leave out --as and --subset, and name a file with --out",
    )


def _make_selector(selector: str | Selector, argument: Any, settings: list[str]) -> Selector:
    if isinstance(selector, str):
        registry.find("selector", selector)
    else:
        _refuse_no_selector(selector)
    for setting in settings:
        if not isinstance(setting, str):
            raise MisuseError(
                f"a setting is a text, not {setting!r}", hint='for example settings=["seed=7"]'
            )
    if argument is not None:
        field = _ARGUMENTS.get(selector) if isinstance(selector, str) else None
        if field is None:
            raise MisuseError(
                f"{selector} takes no argument {argument!r}", hint="use --set field=value"
            )
        settings = [f"{field}={argument}", *settings]
    made: Selector = make_component("selector", selector, settings)
    return made


def _refuse_no_selector(given: Any) -> None:
    if isinstance(given, type) or not callable(getattr(given, "select", None)):
        raise MisuseError(
            f"a selector is a name or an instance, not {given!r} ({type(given).__name__})",
            hint='for example "cap", or internvid.Cap(3)',
        )


def _make_step(text: str | Selector) -> Selector:
    """A selector, or one written as its name, its argument and fields: `random 1000 seed=7`."""
    if not isinstance(text, str):
        _refuse_no_selector(text)
        return text
    name, rest = [*text.split(maxsplit=1), "", ""][:2]
    if _ARGUMENTS.get(name) == "condition":
        return _make_selector(name, rest.strip() or None, [])
    try:
        words = shlex.split(rest)
    except ValueError as error:
        raise MisuseError(
            f"{text!r} cannot be read as a step: {str(error).lower()}",
            hint='a step is a selector, its argument and its fields: "random 1000 seed=7"',
        ) from error
    arguments = [word for word in words if "=" not in word]
    if len(arguments) > 1:
        raise MisuseError(
            f"{text!r} has several arguments: {', '.join(arguments)}",
            hint='a step is a selector, its argument and its fields: "random 1000 seed=7"',
        )
    fields = [word for word in words if "=" in word]
    return _make_selector(name, arguments[0] if arguments else None, fields)


def publish(
    dataset: DatasetLike,
    folder: str | os.PathLike[str],
    *,
    subset: str | None = None,
    exporter: str | Exporter = "webdataset",
    settings: Sequence[str] = (),
    preset: str | None = None,
    keep_paths: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Write clips in a public format, with a manifest that says where they came from.

    Args:
        dataset: to publish from.
        folder: new, empty, or of such an export, which then goes on.
        subset: only its clips; every kept clip when None.
        exporter: a name (see `list_components("exporter")`), `"module:Class"` or an instance.
        settings: fields of the exporter as `"field=value"`.
        preset: a trainer's model (`wan`, `ltx`, ...): sets rate, frame counts and sides of an
            exporter that cuts by a plan; `settings` override it.
        keep_paths: write whole paths of local sources, not the names of their files alone.
        progress: called with how many clips are done, and of how many.

    Returns:
        The manifest: `files`, `clips`, `missing` (clips that could not be written, with reasons),
        `checksums` of all files; of an exporter that cuts by a plan also `windows` and `dropped`,
        which maps why a clip was left out to how many were. `internvid.verify` checks the files,
        `internvid.reissue` takes clips back.

    Raises:
        OutputExistsError: the folder holds something else.
        DatasetBusyError: another process writes there.
    """
    from internvid.publishing.publish import publish as write_export

    made = _make_exporter(exporter, settings, preset)
    opened = as_dataset(dataset)
    return write_export(opened, Path(folder), made, subset, progress, keep_paths=keep_paths)


def plan_publication(
    dataset: DatasetLike,
    *,
    subset: str | None = None,
    exporter: str | Exporter = "webdataset",
    settings: Sequence[str] = (),
    preset: str | None = None,
) -> dict[str, Any]:
    """What `publish` would write of these clips, and what falls out by which rule.

    Rows alone are read, and nothing is written: whether sources are still there is not seen.

    Args:
        dataset: to publish from.
        subset: only its clips; every kept clip when None.
        exporter: as in `publish`.
        settings: as in `publish`.
        preset: as in `publish`.

    Returns:
        `clips`, `windows`, `hours` (of windows), `unused_hours` (of these clips, in no window),
        `dropped` (reason -> clips), `dropped_hours`, `frames` (frames of a window -> windows),
        `buckets` (`frames`, `width`, `height`, `windows`, `hours`), `captions` (column -> clips);
        where a limit is set, `tokens`: how many texts have more.
    """
    from internvid.publishing.plan_export import plan_export

    made = _make_exporter(exporter, settings, preset)
    return plan_export(as_dataset(dataset), made, subset).as_json()


def _make_exporter(
    exporter: str | Exporter, settings: Sequence[str], preset: str | None
) -> Exporter:
    if preset is not None:
        from internvid.publishing.trainer_presets import preset_settings

        kind = registry.find("exporter", exporter) if isinstance(exporter, str) else type(exporter)
        fields = getattr(kind, "__dataclass_fields__", {})
        if "cut" not in fields:
            name = exporter if isinstance(exporter, str) else kind.__name__
            raise MisuseError(
                f"--preset {preset} says how clips are cut, and {name} cuts by no plan",
                hint="name another exporter: folder, json-list, captions-json, open-sora, ...",
            )
        settings = [*preset_settings(preset, fields), *several(settings)]
    made: Exporter = make_component("exporter", exporter, settings)
    return made
