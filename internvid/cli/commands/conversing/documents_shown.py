"""What `interleave` and `dialogues` print: counts, reasons, progress."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from internvid.cli.display import shown_progress
from internvid.cli.output import duration, put, put_json, say, table_of_figures
from internvid.core.errors import MisuseError

_TITLES = {
    "clips": "clips",
    "shown": "shown",
    "dropped": "not shown",
    "frames": "frames",
    "tokens": "tokens",
    "videos": "videos",
    "pairs": "questions",
    "by_model": "by the model",
}


@contextmanager
def reading_clips() -> Iterator[Callable[[int, int], None]]:
    """Shows how many clips are read."""
    with shown_progress() as shown:

        def report(done: int, total: int) -> None:
            if not done:
                shown.begin("reading clips", total, None)
            shown.reached(done, 0)

        yield report


def refuse_other_options(*, verify: bool, reissue: bool, has_more: bool) -> None:
    """Refuse options of another request beside `--verify` or `--reissue`.

    Raises:
        MisuseError: there are some.
    """
    if has_more or (verify and reissue):
        raise MisuseError(
            f"{'--verify' if verify else '--reissue'} is given with options of another request",
            hint="a folder knows what is in it: name DATASET, FOLDER and no other option",
        )


def counts_table(manifest: Mapping[str, Any]) -> str:
    """Counts per document, and what they are a share of."""
    rows = []
    per_document = manifest["per_document"]
    for name, title in _TITLES.items():
        if name not in per_document:
            continue
        each = per_document[name]
        rows.append(
            {
                "per document": title,
                "least": str(each["least"]),
                "mean": f"{each['mean']:.1f}",
                "most": str(each["most"]),
                "together": str(each["total"]),
            }
        )
    text = table_of_figures(rows)
    if "dropped_share" in manifest:
        text += f"\n{100 * manifest['dropped_share']:.1f} % of clips are not shown"
    return f"{text}\ntokens counted by: {manifest['tokens_counted_by']}"


def put_documents(folder: Path, manifest: Mapping[str, Any], what: str, *, as_json: bool) -> None:
    """Print what was written."""
    if as_json:
        put_json({"folder": folder, **manifest, "manifest": folder / "manifest.json"})
    else:
        time = duration(manifest["hours"] * 3600)
        put(f"{manifest['documents']} {what} of {manifest['clips']} clips, {time}: {folder}")
        put(f"\n{counts_table(manifest)}")
    put_faults("clips were left out", manifest["left_out"])
    put_faults(f"{what} were left out", manifest["documents_left_out"])
    put_faults("refusals", manifest.get("refused", {}))
    missing = Counter(row["reason"] for row in manifest["missing"])
    put_faults("clips could not be written", missing)


def put_faults(what: str, reasons: Mapping[str, int]) -> None:
    """Say on stderr how many there are, and why; nothing where there are none."""
    if reasons:
        named = ", ".join(f"{count} {reason}" for reason, count in Counter(reasons).most_common())
        say(f"{sum(reasons.values())} {what} ({named})")
