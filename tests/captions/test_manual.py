"""The page of captions lists every reason and every field, and no other."""

from __future__ import annotations

import dataclasses
import re

import pytest

from internvid.captions.checks.check import REASONS
from internvid.captions.local import LocalModel
from internvid.captions.requests import FAILURES
from internvid.captions.server.config import ServedModel
from internvid.captions.summarise import Fuser
from tests.docs.manual import PACKAGE, page, rows, sections


def test_reasons_of_failures_are_described() -> None:
    text = sections(page("captions.md"))["Reasons of failures"]
    assert [row[0] for row in rows(text)] == list(FAILURES)
    text += sections(page("captions.md"))["Cleaning"]
    assert all(f"`{reason}`" in text for reason in REASONS)


def test_captioners_fail_for_no_other_reason() -> None:
    code = "\n".join(path.read_text("utf-8") for path in (PACKAGE / "captions").glob("*.py"))
    used = set(re.findall(r'failure=f?"(\w+)"', code))
    used |= set(re.findall(r'"failed", "(\w+)"', code))
    assert used <= set(FAILURES)


@pytest.mark.parametrize(
    ("heading", "kind"), [("Models on this machine", LocalModel), ("Served models", ServedModel)]
)
def test_fields_of_models_are_described(heading: str, kind: type) -> None:
    listed: dict[str, str] = {}
    for names, default, _ in rows(sections(page("captions.md"))[heading]):
        several = names.replace("`", "").split(", ")
        defaults = default.split(", ") if len(several) > 1 else [default]
        listed |= dict(zip(several, defaults, strict=True))
    real = {field.name: field.default for field in dataclasses.fields(kind) if field.init}
    assert list(listed) == list(real)
    for name, default in real.items():
        if name not in ("weights", "batch"):
            assert listed[name] == (str(default) or "(none)"), name


def test_fields_of_the_fuser_are_named() -> None:
    text = sections(page("components.md"))["Captioners"].split("fields of a `fuser`")[1]
    sentence = text.split(". ")[0].split(".\n")[0]
    assert re.findall(r"`(\w+)`", sentence) == [field.name for field in dataclasses.fields(Fuser)]
