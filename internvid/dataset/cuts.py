"""The cuts of a dataset: which there are, and which one commands and readers show."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from internvid.core.errors import MisuseError
from internvid.core.system.shell import command
from internvid.dataset.layout import Layout, Record, read_json
from internvid.dataset.removal.purging import writing
from internvid.dataset.stores.store_path import located


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
        name: `name@fingerprint`, or a name alone: the cut of that name that is current, or else
            the one that was built last.

    Raises:
        MisuseError: there is no such cut, or nothing says which of several was built last.
        DatasetBusyError: another process is writing to the dataset.
    """
    layout = Layout(located(root))
    layout.read_record()  # a folder that is no dataset stays as it is
    with writing(layout):
        record = layout.read_record()
        before, cuts = record.cut, _finished(layout, record)
        chosen = _chosen(layout, record, cuts, name)
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


def _chosen(layout: Layout, record: Record, cuts: list[str], name: str) -> str:
    if name in cuts:
        return name
    fitting = [cut for cut in cuts if cut.partition("@")[0] == name]
    if record.cut in fitting:
        return str(record.cut)
    if len(fitting) > 1:
        fitting = _built_last(layout, fitting) or fitting
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        raise MisuseError(
            f"{layout.root} has several cuts {name!r}: {', '.join(fitting)}; its runs do not say "
            "which was built last",
            hint=f"name one whole, for example: {command('use', layout.root, fitting[0])}",
        )
    raise MisuseError(
        f"{layout.root} has no cut {name!r}; it has: {', '.join(cuts) or 'none'}",
        hint="a cut is made by internvid build, with another recipe or with --given",
    )


def _built_last(layout: Layout, cuts: list[str]) -> list[str]:
    """The one of some cuts that the latest run made; none where no run says."""
    paths = layout.root.glob("runs/*/run.json")
    runs = [run for run in map(read_json, paths) if isinstance(run, dict)]
    made = [run for run in runs if run.get("cut") in cuts]
    last = max(made, key=lambda run: str(run.get("finished")), default=None)
    return [] if last is None else [str(last["cut"])]
