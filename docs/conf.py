"""How Sphinx makes the site of these pages: `make docs`, warnings are errors.

The sidebar is read out of the tables of `index.md`: a row that begins with a link to a page is an
entry of the group that its heading names. So a page is listed once, and the index reads well on
GitHub too.
"""

from __future__ import annotations

import inspect
import re
import sys
from pathlib import Path
from typing import Any

from internvid._version import __version__

ROOT_PAGES = [path.stem.upper() for path in Path(__file__).parent.glob("project/*.md")]

project = "internvid"
author = "The internvid authors"
project_copyright = "The internvid authors. Apache-2.0"
version = release = __version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
]
exclude_patterns = ["conf.py"]
# A class has its own module's name and that under which the package exports it: either will do.
suppress_warnings = ["ref.python"]

myst_heading_anchors = 4

# Docstrings write code between single marks.
default_role = "code"
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
autodoc_default_options = {"members": True, "undoc-members": True, "show-inheritance": True}
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
python_maximum_signature_line_length = 88

html_theme = "furo"
html_title = f"internvid {__version__}"
html_copy_source = False
html_show_sphinx = False

copybutton_exclude = ".linenos, .gp, .go"


def sidebar(text: str) -> str:
    """A hidden toctree for each section of the index with a table whose rows begin with a page."""
    trees = []
    for heading, below in re.findall(r"^## (.+)\n((?:(?!## ).*\n?)*)", text, re.MULTILINE):
        links = re.findall(r"^\| \[[^\]]+\]\(([\w./-]+\.md)\)", below, re.MULTILINE)
        if links:
            lines = "\n".join(dict.fromkeys(links))
            trees.append(f"```{{toctree}}\n:hidden:\n:caption: {heading}\n\n{lines}\n```\n")
    return "\n".join(trees)


def read(_app: Any, name: str, source: list[str]) -> None:
    """Lead links to pages of the root to their copies here; put the sidebar in the index."""
    up = "../" * name.count("/")
    for page in ROOT_PAGES:
        source[0] = source[0].replace(f"]({up}../{page}.md)", f"]({up}project/{page.lower()}.md)")
    if name == "index":
        source[0] += "\n" + sidebar(source[0])


def docstring(
    _app: Any, kind: str, _name: str, _value: Any, _options: Any, lines: list[str]
) -> None:
    """Fenced blocks become literal ones; a property's first sentence is no type with a colon."""
    is_code = False
    written: list[str] = []
    for line in lines:
        if line.startswith("```"):
            is_code = not is_code
            written += ["::", ""] if is_code else [""]
        else:
            written.append(f"    {line}" if is_code else line)
    if kind == "property" and written:
        written[0] = written[0].replace(": ", " \N{EN DASH} ")
    lines[:] = written


def names_on_a_line(
    _app: Any, _kind: str, _name: str, _value: Any, _options: Any, lines: list[str]
) -> None:
    """Of two names before one colon neither is the type of the other."""
    named = re.compile(r"^:(ivar|param) (\w+(?:, \w+)+):")
    lines[:] = [named.sub(lambda m: f":{m[1]} {m[2].replace(', ', ',')}:", line) for line in lines]


def skip(app: Any, kind: str, name: str, _value: Any, _skip: bool, _options: Any) -> bool | None:
    """Show an attribute once: in the list of its class, not a second time as a member."""
    module, owner = (app.env.temp_data.get(f"autodoc:{key}") for key in ("module", "class"))
    if kind != "class" or not owner:
        return None
    text = inspect.getdoc(getattr(sys.modules[module], owner)) or ""
    section = re.search(r"^Attributes:\n((?:[ ].*\n?|\n)*)", text, re.MULTILINE)
    listed = re.findall(r"^    (\w+(?:, \w+)*):", section[1], re.MULTILINE) if section else []
    return True if name in ", ".join(listed).split(", ") else None


def setup(app: Any) -> None:
    """Called by Sphinx."""
    app.connect("source-read", read)
    app.connect("autodoc-process-docstring", docstring, priority=100)
    app.connect("autodoc-process-docstring", names_on_a_line, priority=900)
    app.connect("autodoc-skip-member", skip)
