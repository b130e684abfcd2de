"""Subsets of a dataset: choose clips, and write them in a public format."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from internvid.api.components import make_component
from internvid.api.datasets import DatasetLike, as_dataset
from internvid.core import registry
from internvid.core.errors import MisuseError
from internvid.core.several import several

if TYPE_CHECKING:
    from internvid.core.contracts import Exporter, Selector
    from internvid.curate.select import SubsetSummary

# The field that a selector's one argument sets.
_ARGUMENTS = {"where": "condition", "random": "count"}


def select(
    dataset: DatasetLike,
    selector: str | Selector,
    name: str,
    argument: str | int | None = None,
    *,
    settings: Sequence[str] = (),
) -> SubsetSummary:
    """Choose clips: ids with reasons, recorded under a name. Nothing is copied.

    Args:
        dataset: to choose from.
        selector: a name (see `list_components("selector")`), `"module:Class"` or an instance.
        name: of the subset.
        argument: for `where` its SQL condition over all columns, for `random` how many clips.
        settings: fields of the selector as `"field=value"`.

    Raises:
        MisuseError: a bad name, a name taken by another recipe, or nothing fits.
    """
    from internvid.curate.select import select as record_subset

    values = several(settings)
    if isinstance(selector, str):
        registry.find("selector", selector)
    if argument is not None:
        field = _ARGUMENTS.get(selector) if isinstance(selector, str) else None
        if field is None:
            raise MisuseError(
                f"{selector} takes no argument {argument!r}", hint="use --set field=value"
            )
        values.insert(0, f"{field}={argument}")
    made = make_component("selector", selector, values)
    return record_subset(as_dataset(dataset), made, name)


def publish(
    dataset: DatasetLike,
    folder: str | os.PathLike[str],
    *,
    subset: str | None = None,
    exporter: str | Exporter = "webdataset",
    settings: Sequence[str] = (),
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Write clips in a public format, with a manifest that says where they came from.

    Args:
        dataset: to publish from.
        folder: new, empty, or of such an export, which then goes on.
        subset: only its clips; every kept clip when None.
        exporter: a name (see `list_components("exporter")`), `"module:Class"` or an instance.
        settings: fields of the exporter as `"field=value"`.
        progress: called with how many clips are done, and of how many.

    Returns:
        The manifest: `files`, `clips`, `missing` (clips that could not be written, with reasons).

    Raises:
        OutputExistsError: the folder holds something else.
        DatasetBusyError: another process writes there.
    """
    from internvid.publishing.publish import publish as write_export

    made = make_component("exporter", exporter, settings)
    return write_export(as_dataset(dataset), Path(folder), made, subset, progress)
