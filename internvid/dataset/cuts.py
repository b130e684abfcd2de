"""The cuts of a dataset: which there are, and which one commands and readers show."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from internvid.core.errors import MisuseError
from internvid.core.system.shell import command
from internvid.dataset.layout import Layout, Record
from internvid.dataset.removal.purging import writing


@dataclass(frozen=True)
class CutChoice:
    """The cut that was made the current one.

    Attributes:
        cut: `name@fingerprint`. before: the one that was current until then.
        others: further cuts that are there.
    """

    cut: str
    before: str | None
    others: tuple[str, ...]


def use_cut(root: Path, name: str) -> CutChoice:
    """Make another cut the current one: what readers, selections and exports show from then on.

    Nothing else changes. Subsets belong to the cut that they were chosen from.

    Args:
        root: the dataset.
        name: `name@fingerprint`, or a name that only one cut has.

    Raises:
        MisuseError: there is no such cut, or several.
        DatasetBusyError: another process is writing to the dataset.
    """
    layout = Layout(root.absolute())
    layout.read_record()  # a folder that is no dataset stays as it is
    with writing(layout):
        record = layout.read_record()
        before, cuts = record.cut, _finished(layout, record)
        chosen = _chosen(layout, cuts, name)
        scan = record.cuts[chosen].get("scan")
        if (chosen, scan) != (before, record.scan):
            record.cut, record.scan = chosen, scan
            layout.write_record(record)
    return CutChoice(chosen, before, tuple(cut for cut in cuts if cut != chosen))


def _finished(layout: Layout, record: Record) -> list[str]:
    """Cuts whose configuration is known, and which have a part."""
    parts = [part["name"] for part in record.parts]
    return sorted(
        cut
        for cut, entry in record.cuts.items()
        if entry.get("scan") in record.scans
        and any(layout.clips(cut, part).exists() for part in parts)
    )


def _chosen(layout: Layout, cuts: list[str], name: str) -> str:
    if name in cuts:
        return name
    fitting = [cut for cut in cuts if cut.partition("@")[0] == name]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        raise MisuseError(
            f"{layout.root} has several cuts {name!r}: {', '.join(fitting)}",
            hint=f"name one whole, for example: {command('use', layout.root, fitting[0])}",
        )
    raise MisuseError(
        f"{layout.root} has no cut {name!r}; it has: {', '.join(cuts) or 'none'}",
        hint="a cut is made by internvid build, with another recipe or with --given",
    )
