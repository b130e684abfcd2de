"""status, shots, describe, list, show, report: everything that only reads."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from internvid.cli.output import TRY_AGAIN, put, put_json, say, table
from internvid.core import registry
from internvid.core.assignments import settings_of, spell
from internvid.core.errors import MisuseError
from internvid.core.types import instant

if TYPE_CHECKING:
    from internvid.dataset.store import Dataset

# The database counts rows in 64 bits.
_MOST_ROWS = 2**63 - 1


def run_shots(video: Path, detector: str, assignments: list[str], *, as_json: bool) -> None:
    """`internvid shots`."""
    from internvid.shots.detect import detect_shots

    component = registry.create("detector", detector, assignments)
    rows = [
        {
            "start_seconds": instant(shot.span.start_seconds, 6),
            "end_seconds": instant(shot.span.end_seconds, 6),
            "transition": shot.transition,
            "score": round(shot.score, 4),
            "transition_seconds": round(shot.transition_seconds, 4),
        }
        for shot in detect_shots(video, component)
    ]
    if not as_json:
        put(table(rows))
        return
    # Programs rely on exactly these four.
    fixed = ("start_seconds", "end_seconds", "transition", "score")
    put_json({"video": str(video), "shots": [{key: row[key] for key in fixed} for row in rows]})


def run_status(dataset: Path, *, as_json: bool) -> None:
    """`internvid status`."""
    from internvid.pipeline.status import read_status

    status = read_status(dataset)
    if as_json:
        put_json(status)
        return
    put(f"dataset   {status['dataset']}")
    counts = status["videos"]
    staged = f" ({status['staged']} of them scanned)" if status["staged"] else ""
    put("videos    " + ", ".join(f"{counts[key]} {key}" for key in counts) + staged)
    uncut = f"; {status['uncut']} videos not cut yet" if status["uncut"] else ""
    put(f"clips     {status['clips']} kept, {status['rejected']} rejected{uncut}")
    put(f"cut       {status['cut'] or 'none yet'}" + _others(status["other_cuts"]))
    if status["columns"]:
        put(f"columns   {', '.join(map(_column_line, status['columns']))}")
    if status["subsets"]:
        put(f"subsets   {', '.join(map(_subset_line, status['subsets']))}")
    if status["set_aside"]:
        put("\nset aside of tables")
        put(table(_aside_rows(status["set_aside"])))
    if status["failures"]:
        put("\nfailed")
        put(table(status["failures"], ["reason", "error", "uri"]))
        say(f"\n{TRY_AGAIN}")


def _aside_rows(tables: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The lines that are named of each table, and how many more there are."""
    found = []
    for one in tables:
        found += [{**each, "table": one["table"]} for each in one["first"]]
        more = one["rows"] + one["values"] - len(one["first"])
        if more > 0:
            found.append({"line": None, "reason": f"and {more} more", "table": one["table"]})
    return found


def _subset_line(one: dict[str, Any]) -> str:
    clips = "?" if one["clips"] is None else one["clips"]
    return f"{one['subset']} ({clips} clips" + (
        ")" if one["is_current"] else f" of {one['cut'] or 'an unknown cut'})"
    )


def tell_of_subset(opened: Dataset, subset: str | None) -> None:
    """Say on stderr that a subset belongs to another cut, where it does."""
    note = None if subset is None else opened.subset_note(subset)
    if note:
        say(f"note: {note}")


def _column_line(column: dict[str, Any]) -> str:
    parts = [
        f"{column[key]} {key}"
        for key in ("ok", "skipped", "failed", "pending", "stale")
        if column[key]
    ]
    return f"{column['column']} ({', '.join(parts) or 'no clips'})"


def _others(cuts: list[str]) -> str:
    return f" (also: {', '.join(cuts)})" if cuts else ""


def run_describe(dataset: Path, subset: str | None, *, as_json: bool) -> None:
    """`internvid describe`."""
    from internvid.curate.statistics import describe
    from internvid.dataset.columns import column_progress
    from internvid.dataset.store import open_dataset

    opened = open_dataset(dataset)
    facts = describe(opened, subset)
    tell_of_subset(opened, subset)
    cut = opened.record.cut
    facts["columns"] = column_progress(opened.layout, opened.record, cut) if cut else []
    facts["recipe"] = opened.record.cuts.get(cut or "", {}).get("settings", [])
    if as_json:
        put_json(facts)
        return
    put(f"{facts['clips']} clips of {facts['videos']} videos, {facts['hours']:.3f} hours")
    for column in facts["columns"]:
        put(_column_line(column))
    for title in ("funnel", "numbers", "words"):
        if facts[title]:
            put(f"\n{title}")
            put(table(facts[title]))
    if facts["recipe"]:
        put("\nrecipe")
        put("\n".join(f"--set {one['setting']}={one['value']}" for one in facts["recipe"]))


def run_list(what: str, subset: str | None, limit: int, *, rejected: bool, as_json: bool) -> None:
    """`internvid list`."""
    kind = what.removesuffix("s")
    # A folder may bear the name of a kind without being a dataset.
    is_dataset = (Path(what) / "dataset.json").exists()
    if kind == "recipe" and not is_dataset:
        _list_recipes(as_json=as_json)
        return
    if kind in registry.KINDS and not is_dataset:
        _list_components(kind, as_json=as_json)
        return
    if not Path(what).exists():
        kinds = ", ".join([*(f"{kind}s" for kind in registry.KINDS), "recipes"])
        raise MisuseError(f"{what!r} is no dataset and no kind of component; kinds: {kinds}")
    from internvid.dataset.store import SOURCE_COLUMNS, open_dataset

    opened = open_dataset(Path(what))
    with opened.reading():
        relation = opened.clips_relation(
            subset, rejected=rejected, limit=min(limit, _MOST_ROWS), of_video=SOURCE_COLUMNS
        )
        # A column of that name goes first.
        rows = [
            {"uri": uri, "metadata": metadata, **row}
            for row, uri, metadata in opened.rows_with_source(relation)
        ]
        if len(rows) == limit:
            every = opened.clips_relation(subset, rejected=rejected).aggregate("count(*)")
            ((total,),) = every.fetchall()
            if total > limit:
                say(f"{limit} of {total:,} clips; others with --limit {total}")
    tell_of_subset(opened, subset)
    if as_json:
        put_json(rows)
        return
    columns = ["clip_id", "start_seconds", "end_seconds", "transition", "camera_move", "measured"]
    columns += [*(["reason"] if rejected else []), "uri"]
    for row in rows:
        row["clip_id"] = row["clip_id"][:12]
    put(table(rows, [name for name in columns if not rows or name in rows[0]]))


def _list_recipes(*, as_json: bool) -> None:
    from internvid import recipes

    rows: list[dict[str, Any]] = [
        {
            "name": name,
            "does": (make.__doc__ or "").strip().splitlines()[0],
            "fields": settings_of(make()),
        }
        for name, make in sorted(recipes.RECIPES.items())
    ]
    if as_json:
        put_json(rows)
        return
    for row in rows:
        put(f"{row['name']}\n    {row['does']}")
        _put_fields(row["fields"])


def _list_components(kind: str, *, as_json: bool) -> None:
    rows: list[dict[str, Any]] = []
    for name in registry.names(kind):
        component = registry.find(kind, name)
        lines = (component.__doc__ or "").strip().splitlines()
        row: dict[str, Any] = {"name": name, "does": lines[0] if lines else ""}
        row.update(fields=_settable(component), installs=_installs(component))
        rows.append(row)
    if as_json:
        put_json(rows)
        return
    for row in rows:
        needs = "".join(f"  [internvid[{extra}]]" for extra in row["installs"])
        put(f"{row['name']}{needs}\n    {row['does']}")
        _put_fields(row["fields"])


def _put_fields(fields: dict[str, Any]) -> None:
    for field, default in fields.items():
        put(f"    --set {field}={spell(default)}")


def _settable(component: Any, path: str = "") -> dict[str, Any]:
    """Dotted path -> default of every field that `--set` can give."""
    defaults: dict[str, Any] = {}
    for field in dataclasses.fields(component):
        value = _default(field)
        if field.name.startswith("_") or not field.init:
            continue
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            inner = _settable(type(value), f"{path}{field.name}.")
            reached = {key: _reached(value, key, path + field.name) for key in inner}
            # A required field of a part may hold what text cannot say, fitted numbers for one.
            defaults |= {key: at for key, at in reached.items() if isinstance(at, _SETTABLE)}
        elif isinstance(value, _SETTABLE):
            defaults[path + field.name] = value
    return defaults


def _reached(value: Any, key: str, path: str) -> Any:
    for name in key.removeprefix(path + ".").split("."):
        value = getattr(value, name)
    return value


def _installs(component: Any) -> list[str]:
    """Extras of this package that a component needs for all that it can do."""
    extras = set(getattr(component, "installs", ()))
    for field in dataclasses.fields(component):
        value = _default(field)
        if field.metadata.get("weights"):
            extras.add("caption")
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            extras.update(_installs(type(value)))
            if hasattr(value, "base_url"):
                extras.add("client")
    return sorted(extras)


# What --set can give; fitted numbers and callbacks are for code.
_SETTABLE = (str, int, float, bool, tuple, type(None))


def _default(field: dataclasses.Field[Any]) -> Any:
    if field.default is not dataclasses.MISSING:
        return field.default
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return "(required)"


def run_show(dataset: Path, clip_id: str, pictures: Path | None, *, as_json: bool) -> None:
    """`internvid show`."""
    from internvid.dataset.parts import commit_bytes
    from internvid.dataset.store import open_dataset

    opened = open_dataset(dataset)
    row = opened.clip(clip_id)
    uri, metadata = opened.source_of(row["video_id"])
    stored = list(opened.jpegs(row["clip_id"]))
    row["picks"] = [instant(seconds) for seconds, _ in stored]
    if pictures is not None:
        for seconds, jpeg in stored:
            commit_bytes(pictures / f"{row['clip_id'][:12]}_{instant(seconds):09.3f}.jpg", jpeg)
    if as_json:
        put_json({"uri": uri, "metadata": metadata, **row})
        return
    shown = {"uri": uri, **row, **{f"metadata.{key}": value for key, value in metadata.items()}}
    put(table([{"column": key, "value": str(value)} for key, value in shown.items()]))


def run_report(dataset: Path, output: Path | None, *, as_json: bool) -> None:
    """`internvid report`."""
    from internvid.browse.report import write_report
    from internvid.dataset.store import open_dataset

    page = write_report(open_dataset(dataset), output or dataset / "report.html")
    if as_json:
        put_json({"report": page})
    else:
        put(str(page))
