"""`internvid report`: the whole dataset on one HTML page that needs nothing but a browser."""

from __future__ import annotations

import base64
import hashlib
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from internvid.browse import wording
from internvid.browse.charts import draw
from internvid.browse.distributions import Bars
from internvid.browse.page import Page, dataset_name, gather, name_of
from internvid.curate.statistics import DEFAULT_CAPTIONS
from internvid.dataset.parts import commit_bytes, refuse_foreign
from internvid.dataset.store import Dataset

if TYPE_CHECKING:
    import jinja2

# Tells our page from a stranger's file of the same name.
MARK = b'<meta name="generator" content="internvid report">'
_HEAD_BYTES = 2048


def write_report(dataset: Dataset, output: Path, captions: int | None = DEFAULT_CAPTIONS) -> Path:
    """Write the page of a dataset.

    The page is one file: pictures, style and script lie inside it, nothing is fetched. It holds
    no clock and, inside the dataset's own folder, no path, so that equal datasets have equal pages.

    Args:
        dataset: what to show.
        output: the file; an earlier report there is replaced.
        captions: how many captions to read for verbs and nouns; all when None, none when 0.

    Returns:
        `output`.

    Raises:
        OutputExistsError: the path holds something that is not a report.
        DatasetFormatError: no build of the dataset was finished.
    """
    refuse_foreign(output, _is_ours, "a report of internvid", "report.html")
    with dataset.reading():
        html = render(gather(dataset, captions), dataset_name(dataset, output))
    commit_bytes(output, html.encode("utf-8", "replace"))
    return output


def render(page: Page, name: str) -> str:
    """The page as HTML.

    Args:
        page: what to say.
        name: what to call the dataset; "" lets the page's script take it from its address.
    """
    environment = _environment()
    script = _source("report.js")
    style = _source("report.css")
    digest = base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")
    return environment.get_template("report.html").render(
        page=page, name=name, script=script, style=style, script_hash=digest
    )


def _environment() -> jinja2.Environment:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("internvid.browse", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        number=wording.number,
        count=wording.count,
        footage=wording.footage,
        clock=wording.clock,
        shorten=wording.shorten,
        label=wording.label,
        unit=wording.unit,
    )
    environment.globals.update(
        draw=draw,
        share=wording.share,
        plural=wording.plural,
        name_of=name_of,
        is_bars=lambda chart: isinstance(chart, Bars),
    )
    return environment


def _source(name: str) -> str:
    """Our own style or script, marked as what need not be escaped."""
    import markupsafe

    path = resources.files("internvid.browse") / "templates" / name
    return markupsafe.Markup(path.read_text("utf-8"))


def _is_ours(file: Path) -> bool:
    with file.open("rb") as opened:
        return MARK in opened.read(_HEAD_BYTES)
