"""Links inside the repository lead somewhere, and every page can be reached."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.manual import PAGES, ROOT, prose, slug

_LINK = re.compile(r"\]\(([^)\s]+)\)")


def links(path: Path) -> list[str]:
    return [
        link
        for link in _LINK.findall(prose(path.read_text("utf-8")))
        if not re.match(r"[a-z]+://", link)
    ]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_resolve(path: Path) -> None:
    for link in links(path):
        name, _, anchor = link.partition("#")
        target = (path.parent / name).resolve() if name else path
        assert target.is_file(), f"{path.name}: {link}"
        if anchor:
            headings = re.findall(r"^#+ (.+)$", prose(target.read_text("utf-8")), re.MULTILINE)
            assert anchor in {slug(heading) for heading in headings}, f"{path.name}: {link}"


def test_every_page_is_in_the_sidebar_which_is_made_of_the_index() -> None:
    index = ROOT / "docs" / "index.md"
    begin_rows = re.findall(r"^\| \[[^\]]+\]\(([^)#]+)\)", index.read_text("utf-8"), re.MULTILINE)
    listed = [(index.parent / link).resolve() for link in begin_rows]
    assert len(set(listed)) == len(listed)
    assert {path.resolve() for path in PAGES} - {index, ROOT / "README.md"} <= set(listed)
    assert "docs/index.md" in links(ROOT / "README.md")


def test_pages_of_the_root_have_their_place_in_the_site() -> None:
    index = links(ROOT / "docs" / "index.md")
    for stub in (ROOT / "docs" / "project").glob("*.md"):
        page = f"{stub.stem.upper()}.md"
        assert f"{{include}} ../../{page}\n" in stub.read_text("utf-8")
        assert (ROOT / page).is_file()
        assert f"../{page}" in index


def test_pages_are_short() -> None:
    lengths = {path.name: len(path.read_text("utf-8").splitlines()) for path in PAGES}
    assert lengths["README.md"] <= 150
    records = {path.name for path in PAGES if path.parent.name == "design"}
    assert all(re.match(r"\d{4}-[a-z-]+\.md", name) for name in records)
    assert {name for name in records if lengths[name] >= 60} == set()
