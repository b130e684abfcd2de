"""The card of an export, `README.md`: what the hub reads, then what people read.

Nothing is invented: what the manifest and the tables do not say is called unknown.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from internvid.publishing.pages.card_facts import CardFacts

_SIZES = ((10**3, "n<1K"), (10**4, "1K<n<10K"), (10**5, "10K<n<100K"), (10**6, "100K<n<1M"),
          (10**7, "1M<n<10M"), (10**8, "10M<n<100M"), (10**9, "100M<n<1B"))  # fmt: skip
# What the hub knows of licences: others are `other` with a name.
_LICENCES = frozenset(
    (
        *(
            "apache-2.0",
            "mit",
            "afl-3.0",
            "artistic-2.0",
            "bsl-1.0",
            "bsd-2-clause",
            "bsd-3-clause",
        ),
        *("cc0-1.0", "cc-by-2.0", "cc-by-2.5", "cc-by-3.0", "cc-by-4.0", "cc-by-sa-3.0"),
        *("cc-by-sa-4.0", "cc-by-nc-2.0", "cc-by-nc-3.0", "cc-by-nc-4.0", "cc-by-nd-4.0"),
        *("cc-by-nc-nd-3.0", "cc-by-nc-nd-4.0", "cc-by-nc-sa-2.0", "cc-by-nc-sa-3.0"),
        *("cc-by-nc-sa-4.0", "cdla-sharing-1.0", "cdla-permissive-1.0", "cdla-permissive-2.0"),
        *("odc-by", "odbl", "pddl", "gpl-2.0", "gpl-3.0", "lgpl-3.0", "mpl-2.0", "unlicense"),
        *("wtfpl", "zlib", "etalab-2.0", "openrail"),
    )
)
_MOST_VALUES = 8
_OWN = {
    "file_name": "path of the video below the folder of this table; loaders make it `video`",
    "text": "the text of the clip, in one line; null where it has none",
    "window": "number of the window in its clip, from 0",
    "frames": "frames of the video",
    "seconds": "length of the video",
    "fps": "mean frames per second",
    "width": "pixels",
    "height": "pixels",
    "sound": "`kept`, `none`, or `unsure` where nobody can say which sound belongs to the clip",
    "dynamic_range": "of the source: `sdr`, `pq` or `hlg`; videos are standard range",
    "uri": "of the source, as it may travel",
    "metadata": "what a table states of the source, a JSON text",
}


def card_of(facts: CardFacts) -> bytes:
    """`README.md`."""
    parts = [
        "---\n" + "\n".join(_front(facts)) + "\n---",
        f"# {facts.title}",
        _summary(facts),
        f"## Loading\n\n{_LOADING}",
        "## Contents\n\n" + _contents(facts),
        "## Columns\n\n" + _columns(facts),
        "## How it was made\n\n" + _making(facts),
        "## What was left out, and how\n\n" + _left_out(facts),
        "## Licences\n\n" + _licences(facts),
        "## What is not known\n\n" + _unknown(facts),
        "## Citing\n\n" + _citing(facts),
    ]
    return ("\n\n".join(parts) + "\n").encode("utf-8", "surrogatepass")


def _front(facts: CardFacts) -> Iterator[str]:
    """YAML, in which every JSON text is a text."""
    if facts.fields.get("title"):
        yield f"pretty_name: {_quoted(facts.title)}"
    licence = facts.fields.get("licence", "")
    if licence.lower() in _LICENCES:
        yield f"license: {licence.lower()}"
    elif licence:
        yield from ("license: other", f"license_name: {_quoted(licence)}")
    else:
        yield "license: unknown"
    languages = [each for each in sorted(facts.languages) if 2 <= len(each) <= 3]
    if languages:
        yield "language:"
        yield from (f"- {_quoted(each)}" for each in languages)
    yield "size_categories:"
    yield f"- {next((name for most, name in _SIZES if facts.rows < most), 'n>1T')}"
    if facts.has_texts:
        yield from ("task_categories:", "- text-to-video", "- video-text-to-text")
    yield from ("tags:", "- video", "- video-text", "- internvid", "- croissant")
    yield from ("configs:", "- config_name: default", "  data_files:")
    for name, split in facts.splits.items():
        yield f"  - split: {name}"
        yield from ("    path:", f"    - {split.file}", f"    - {split.videos}/*/*.mp4")


def _summary(facts: CardFacts) -> str:
    text = (
        f"{facts.rows:,} videos, {facts.hours:,.2f} hours: {facts.clips:,} clips of "
        f"{facts.sources:,} source videos"
    )
    text += ", each with a text." if facts.has_texts else "."
    creator, url = facts.fields.get("creator"), facts.fields.get("url")
    text += f" Published by {creator}." if creator else ""
    text += f" Home: {url}" if url else ""
    return f"{text}\n\nVersion {facts.manifest.get('version', 1)} of this export."


_LOADING = """```python
import datasets

data = datasets.load_dataset("PATH OR NAME OF THIS REPOSITORY")
```

`video` is decoded by torchcodec; `data.cast_column("video", datasets.Video(decode=False))` gives
the files. `metadata.parquet` of each split has the same rows for any other reader,
`croissant.json` describes them, and `manifest.json` has the SHA-256 of every file."""


def _contents(facts: CardFacts) -> str:
    rows = ["| split | videos | clips | sources | hours |", "|---|---|---|---|---|"]
    for name, split in facts.splits.items():
        rows.append(
            f"| {name} | {split.rows:,} | {split.clips:,} | {len(split.sources):,} | "
            f"{sum(split.seconds) / 3600:,.2f} |"
        )
    lines = ["\n".join(rows)]
    if len(facts.splits) > 1:
        shared = facts.shared_sources
        lines.append(
            f"{shared:,} source videos have clips in more than one split."
            if shared
            else "No source video has clips in more than one split."
        )
    if facts.quartiles:
        shortest, low, median, high, longest = (f"{each:.2f}" for each in facts.quartiles)
        lines.append(
            f"Length: {shortest} to {longest} s, median {median}, quartiles {low} and {high}."
        )
    lines += [
        f"Sizes: {_values(facts.sizes)}.",
        f"Frames per second: {_values(facts.rates)}.",
        f"Sound: {_values(facts.sounds)}.",
        f"Sources lie at: {_values(facts.hosts)} (source videos).",
        f"Languages: {_values(facts.languages) if facts.languages else 'unknown'}.",
    ]
    return "\n\n".join(lines)


def _columns(facts: CardFacts) -> str:
    made = {each["column"]: _column_origin(each) for each in facts.making.get("columns", [])}
    rows = ["| column | type | meaning |", "|---|---|---|"]
    for each in facts.schema:
        meaning = _OWN.get(each.name, "")
        if each.name in made:
            meaning = f"made by `{made[each.name]}`"
        rows.append(f"| `{each.name}` | {_type(str(each.type))} | {meaning} |")
    return (
        "\n".join(rows) + "\n\n`clip_id` and `video_id` are digests; `start_seconds` and "
        "`end_seconds` count from the first displayed frame of the source. Columns without a "
        "meaning here are described in the manual of internvid (signals, scores)."
    )


def _type(text: str) -> str:
    return text.replace("element: ", "").replace("item: ", "").replace("l: ", "")


def _making(facts: CardFacts) -> str:
    provenance = facts.manifest.get("provenance", {})
    version = provenance.get("internvid", "of an unknown version")
    steps = "\n".join(f"| {step} | {_code(value)} |" for step, value in _steps(facts))
    return (
        f"By internvid {version}, from the cut `{facts.manifest.get('cut')}`.\n\n"
        f"| step | by |\n|---|---|\n{steps}\n\n"
        "More: `exporter`, `making` and `provenance` in `manifest.json`."
    )


def _steps(facts: CardFacts) -> Iterator[tuple[str, str]]:
    """What was done, and by what."""
    making = facts.making
    yield "shots", making.get("detector") or "unknown"
    yield "signals", ", ".join(making.get("signals", []))
    for each in making.get("columns", []):
        yield f"column `{each['column']}`", _column_origin(each)
    chosen = facts.manifest.get("provenance", {}).get("recipe")
    if chosen:
        yield "choice of clips", _component(chosen.get("selector"))
    elif facts.fields.get("splits"):
        yield "choice of clips", f"subsets as splits: {facts.fields['splits']}"
    else:
        yield "choice of clips", "all kept clips"
    yield "videos", _cut_text(facts.fields.get("cut", {}))


def _cut_text(cut: Mapping[str, Any]) -> str:
    fields = cut.get("fields", cut)
    # A manifest that was read back has its fields in another order.
    known = sorted(fields.items())
    return ", ".join(f"{name}={value}" for name, value in known if value not in ("", None))


def _left_out(facts: CardFacts) -> str:
    rules = facts.making.get("filters", [])
    lines = [
        f"- `{rule.get('reason')}`: clips whose `{rule.get('column')}` is "
        + " or ".join(
            f"{word} {rule[bound]:g}"
            for word, bound in (("below", "minimum"), ("above", "maximum"))
            if rule.get(bound) is not None
        )
        for rule in rules
        if rule.get("column")
    ]
    before = "Before the choice of clips, by the filters of the cut:\n\n" + "\n".join(lines)
    parts = [before if lines else "The filters of the cut are unknown, or there were none."]
    dropped = facts.manifest.get("dropped", {})
    if dropped:
        parts.append(f"While this export was written: {_values(Counter(dropped))} (clips).")
    missing = Counter(row.get("reason") for row in facts.manifest.get("missing", []))
    if missing:
        parts.append(f"Could not be written: {_values(missing)} (clips).")
    if facts.removed:
        parts.append(
            f"Taken out of earlier versions: {facts.removed:,} ids, whose digests are in "
            "`removed.parquet`. Holders of a copy drop what they find there: a digest is the "
            "SHA-256 of the kind, a line feed and the id."
        )
    return "\n\n".join(parts)


def _licences(facts: CardFacts) -> str:
    licence = facts.fields.get("licence")
    own = f"Of this set: {licence}." if licence else "Of this set: unknown; none was stated."
    stated = sum(facts.licences.values())
    if not stated:
        return f"{own}\n\nOf the source videos: unknown; no source states one."
    silent = max(0, facts.sources - stated)
    rest = f"; {silent:,} source videos state none" if silent else ""
    return f"{own}\n\nOf the source videos, as stated: {_values(facts.licences)}{rest}."


def _unknown(facts: CardFacts) -> str:
    lines = [
        "- Whether the people shown agreed: unknown. No face was blurred by this export.",
        "- What the sources were chosen from, and with which bias: unknown to this card.",
    ]
    if facts.has_texts:
        lines.append("- Whether each text is right: texts that models made were not all read.")
    return "\n".join(lines)


def _citing(facts: CardFacts) -> str:
    citation = facts.fields.get("citation")
    if not citation:
        return "How to cite this set: unknown; none was stated."
    return f"```bibtex\n{citation}\n```" if citation.lstrip().startswith("@") else citation


def _column_origin(column: Mapping[str, Any]) -> str:
    model = column.get("model")
    return f"{column['by']}, model {model}" if model else str(column["by"])


def _component(recorded: Any) -> str:
    if isinstance(recorded, str):
        return recorded
    if not isinstance(recorded, dict):
        return "unknown"
    name = str(recorded.get("component", "unknown")).rpartition(":")[2]
    return f"{name} {recorded.get('version', '')}".strip()


def _values(counts: Counter[Any]) -> str:
    shown = [f"{value} ({count:,})" for value, count in counts.most_common(_MOST_VALUES)]
    others = len(counts) - len(shown)
    return ", ".join(shown) + (f" and {others:,} others" if others > 0 else "")


def _code(text: str) -> str:
    return f"`{text}`" if text and "`" not in text else text or "unknown"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
