"""Reads the manual: its pages, sections, tables and code blocks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "internvid"
# Pages of docs/project/ only bring pages of the root into the site.
PAGES = (
    ROOT / "README.md",
    *(path for path in sorted((ROOT / "docs").rglob("*.md")) if path.parent.name != "project"),
)
_FENCE = re.compile(r"^```(\w*) ?(.*?)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, the rest of its first line, its lines."""

    language: str
    note: str
    text: str


def page(name: str) -> str:
    """Text of a page of docs/."""
    return (ROOT / "docs" / name).read_text("utf-8")


def blocks(text: str) -> list[Block]:
    """Every fenced block of a page, in order, but for directives of the site (```{name})."""
    found = [Block(*match.groups()) for match in _FENCE.finditer(text)]
    return [block for block in found if not (block.note.startswith("{") and not block.language)]


def prose(text: str) -> str:
    """A page without its fenced blocks."""
    return _FENCE.sub("", text)


def sections(text: str) -> dict[str, str]:
    """Heading -> what stands below it, up to the next heading of any level."""
    parts = re.split(r"^#+ (.+)$", prose(text), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def rows(section: str) -> Iterator[list[str]]:
    """Cells of each table row, without heads and rulers; code marks are stripped."""
    lines = [line for line in section.splitlines() if line.startswith("|")]
    for at, line in enumerate(lines):
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        is_ruler = set("".join(cells)) <= set("-: ")
        is_head = at + 1 < len(lines) and set(lines[at + 1]) <= set("|-: ")
        if not is_ruler and not is_head:
            yield [cell.strip("`") for cell in cells]


def commands(block: Block) -> list[str]:
    """The `internvid` commands of a shell block, without comments and environment."""
    joined = block.text.replace("\\\n", " ")
    found = [re.sub(r"^(\w+=\S+ )+", "", line.strip()) for line in joined.splitlines()]
    return [line for line in found if line.startswith("internvid ")]


def slug(heading: str) -> str:
    """The anchor that web hosts make of a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
