"""The words of the field: what names, docstrings, help texts and pages may not say."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import typer.main

from internvid.cli.app import app
from tests.docs.manual import PACKAGE, PAGES, ROOT, prose

SOURCES = sorted(PACKAGE.rglob("*.py"))

# Words that only the builders of this package understood, and what stands in their place.
WORDS = {
    "alike": "similar, hard_negative_groups",
    "asked": "requested, pending",
    "found": "what was found",
    "judge": "classify, score",
    "judged": "classified, scored",
    "judges": "classifiers",
    "ledger": "timings, log",
    "ledgers": "timings, logs",
    "patient": "resilient",
    "quiet": "no_sync",
    "rehearsal": "validation",
    "rehearse": "validate",
    "said": "generated, response",
    "sided": "mentions_direction",
    "told": "reported, response",
}
# In prose these are plain English: a file is found, a sentence is said to be in a language.
PLAIN_ENGLISH = {"found"}
# Recorded in datasets, checkpoints and the JSON of commands since 0.1.0: renaming would break them.
RECORDED = {
    "asked": "field of the summary of `caption` and `score`",
    "found": "field of protocols: how many of the listed clips were found",
    "alike_bits": "field of the slideshow signal's fingerprint",
    "alike_colours": "field of the slideshow signal's fingerprint",
    "judges": "field of the transition observer's fingerprint",
    "quiet_dbfs": "field of the measured captions' fingerprint",
    "quiet_seconds": "field of the stitching of shots",
}
VAGUE_BEGINNINGS = re.compile(r"(The same|Of|As)\b")


def words_of(name: str) -> set[str]:
    return {part.lower() for part in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)}


def names_in(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Every name that a file gives to something of its own."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield node.lineno, node.name
        elif isinstance(node, ast.arg):
            yield node.lineno, node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.id


def docstrings_in(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            text = ast.get_docstring(node)
            if text:
                yield getattr(node, "lineno", 1), text


def forbidden_in(text: str) -> set[str]:
    plain = re.sub(r"``?[^`\n]*`", " ", text)  # code is checked as names
    plain = re.sub(rf"\b({'|'.join(RECORDED)})(, \w+)*:", " ", plain)  # a field that stays
    spoken = {word.lower() for word in re.findall(r"[A-Za-z]+", plain)}
    return spoken & (set(WORDS) - PLAIN_ENGLISH)


def place(path: Path, line: int) -> str:
    return f"{path.relative_to(ROOT)}:{line}"


def test_names_are_words_of_the_field() -> None:
    wrong = [
        f"{place(path, line)} {name}"
        for path in SOURCES
        for line, name in names_in(ast.parse(path.read_text("utf-8")))
        if words_of(name) & set(WORDS) and name not in RECORDED
    ]
    assert wrong == []


def test_docstrings_are_words_of_the_field() -> None:
    wrong = [
        f"{place(path, line)} {sorted(words)}"
        for path in SOURCES
        for line, text in docstrings_in(ast.parse(path.read_text("utf-8")))
        if (words := forbidden_in(text))
    ]
    assert wrong == []


def test_docstrings_begin_with_what_the_thing_is() -> None:
    wrong = [
        f"{place(path, line)} {text.splitlines()[0]}"
        for path in SOURCES
        for line, text in docstrings_in(ast.parse(path.read_text("utf-8")))
        if VAGUE_BEGINNINGS.match(text)
    ]
    assert wrong == []


def test_help_texts_are_words_of_the_field() -> None:
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    wrong = {}
    for name, command in commands.items():
        texts = [command.help or "", *(getattr(each, "help", "") or "" for each in command.params)]
        if words := set().union(*map(forbidden_in, texts)):
            wrong[name] = sorted(words)
    assert wrong == {}


def test_pages_are_words_of_the_field() -> None:
    wrong = {
        str(path.relative_to(ROOT)): sorted(words)
        for path in PAGES
        if (words := forbidden_in(prose(path.read_text("utf-8"))))
    }
    assert wrong == {}


def test_a_forbidden_word_would_be_seen() -> None:
    assert words_of("toldHowFar") | words_of("_asked_clips") >= {"told", "asked"}
    assert forbidden_in("The captioner is asked; see `asked`.") == {"asked"}
    assert forbidden_in("Where it was found, see `asked`.") == set()
