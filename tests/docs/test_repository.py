"""What a repository carries for its contributors: parsed, and held to the rest of it."""

from __future__ import annotations

import importlib
import importlib.util
import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import internvid
from tests.docs.manual import ROOT

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
FORMS = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))
MAKEFILE = (ROOT / "Makefile").read_text("utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
PYTHONS = ["3.11", "3.12", "3.13", "3.14"]


def loaded(path: Path) -> dict[str, Any]:
    data = yaml.safe_load(path.read_text("utf-8"))
    assert isinstance(data, dict), path.name
    return data


def targets() -> set[str]:
    (phony,) = re.findall(r"^\.PHONY: (.+)$", MAKEFILE, re.MULTILINE)
    return set(phony.split())


def steps(workflow: dict[str, Any]) -> list[dict[str, Any]]:
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


def test_make_targets_have_rules() -> None:
    rules = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))
    assert targets() == rules


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflows_run_make_targets_that_exist(path: Path) -> None:
    workflow = loaded(path)
    assert workflow["name"] == path.stem
    runs = [step["run"] for step in steps(workflow) if "run" in step]
    called = {name for run in runs for name in re.findall(r"\bmake ([\w-]+)", run)}
    assert called
    assert called <= targets()
    for name, job in workflow["jobs"].items():
        assert job["timeout-minutes"] <= 120, name
        needs = job.get("needs", [])
        assert {needs} if isinstance(needs, str) else set(needs) <= set(workflow["jobs"])


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflows_may_do_only_what_they_need(path: Path) -> None:
    workflow = loaded(path)
    assert workflow["permissions"] == {"contents": "read"}
    assert "secrets." not in path.read_text("utf-8")
    for step in steps(workflow):
        version = step.get("uses", "@v1").partition("@")[2]
        assert re.fullmatch(r"v\d+|release/v\d+|[0-9a-f]{40}", version)
        assert "${{" not in step.get("run", ""), "untrusted text would become a command"
        if "checkout" in step.get("uses", ""):
            assert step["with"]["persist-credentials"] is False
    trusted = {"publish", "pages"} if path.stem == "release" else set()
    assert {name for name, job in workflow["jobs"].items() if "permissions" in job} == trusted


def test_every_system_and_python_that_is_promised_is_tested() -> None:
    matrix = loaded(ROOT / ".github/workflows/ci.yml")["jobs"]["tests"]["strategy"]["matrix"]
    assert matrix["python"] == PYTHONS
    assert matrix["os"] == ["ubuntu-latest", "macos-latest"]
    classifiers = PROJECT["project"]["classifiers"]
    promised = [line.rpartition(" ")[2] for line in classifiers if "Python :: 3." in line]
    assert promised == PYTHONS
    assert PROJECT["project"]["requires-python"] == f">={PYTHONS[0]}"


def test_one_build_of_pytorch_is_meant_everywhere() -> None:
    (default,) = re.findall(r"^TORCH \?= (\S+)$", MAKEFILE, re.MULTILINE)
    for path in WORKFLOWS:
        assert f"'{default}'" in path.read_text("utf-8"), path.name


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.name)
def test_issue_forms_are_complete(path: Path) -> None:
    form = loaded(path)
    if path.stem == "config":
        assert form == {"blank_issues_enabled": True}
        return
    assert set(form) == {"name", "description", "labels", "body"}
    asked = [field for field in form["body"] if field["type"] != "markdown"]
    assert {field["type"] for field in asked} <= {"input", "textarea", "dropdown", "checkboxes"}
    assert all(field["attributes"]["label"] for field in asked)
    names = [field["id"] for field in asked]
    assert len(set(names)) == len(names)
    assert any(field.get("validations", {}).get("required") for field in asked)


def test_other_files_for_services_parse() -> None:
    updates = loaded(ROOT / ".github/dependabot.yml")["updates"]
    assert {entry["package-ecosystem"] for entry in updates} == {"pip", "github-actions"}
    container = json.loads((ROOT / ".devcontainer/devcontainer.json").read_text("utf-8"))
    assert set(re.findall(r"\bmake (\w+)", container["postCreateCommand"])) <= targets()


def test_hooks_are_the_tools_of_make_check() -> None:
    hooks = loaded(ROOT / ".pre-commit-config.yaml")["repos"][0]["hooks"]
    entries = {re.sub(r"^\.venv/bin/| --fix", "", hook["entry"]) for hook in hooks}
    lines = re.findall(r"^\t\$\(BIN\)/((?:ruff|mypy|lint-imports).*)$", MAKEFILE, re.MULTILINE)
    made = {re.sub(r" --check| \.$", "", line) for line in lines}
    assert entries == made == {"ruff check", "ruff format", "mypy", "lint-imports"}


def test_the_version_is_stated_once() -> None:
    assert PROJECT["project"]["dynamic"] == ["version"]
    assert "version" not in PROJECT["project"]
    source = ROOT / PROJECT["tool"]["hatch"]["version"]["path"]
    spec = importlib.util.spec_from_file_location("stated", source)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert internvid.__version__ == module.__version__
    assert loaded(ROOT / "CITATION.cff")["version"] == internvid.__version__
    others = [
        path
        for path in (ROOT / "internvid").rglob("*.py")
        if path != source and re.search(r"^__version__ =", path.read_text("utf-8"), re.MULTILINE)
    ]
    assert others == []


def test_the_changelog_has_one_form() -> None:
    text = (ROOT / "CHANGELOG.md").read_text("utf-8")
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    for heading in headings:
        assert re.fullmatch(r"\d+\.\d+\.\d+( \(unreleased\)|, \d{4}-\d\d-\d\d)", heading)
    versions = [tuple(map(int, re.split(r"[ ,]", line)[0].split("."))) for line in headings]
    assert versions == sorted(set(versions), reverse=True)
    assert internvid.__version__ in {re.split(r"[ ,]", line)[0] for line in headings}
    for section in re.split(r"^## .+$", text, flags=re.MULTILINE)[1:]:
        kinds = re.findall(r"^### (.+)$", section, re.MULTILINE)
        assert kinds == [kind for kind in ("Added", "Changed", "Fixed") if kind in kinds] != []


def test_every_dependency_has_a_tested_version_that_it_allows() -> None:
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    pins = dict(line.split("==") for line in lines if not line.startswith("#"))
    tested = {canonicalize_name(name): version for name, version in pins.items()}
    assert len(tested) == len(pins)
    project = PROJECT["project"]
    groups = [*project["optional-dependencies"].values(), *PROJECT["dependency-groups"].values()]
    for text in [*project["dependencies"], *(text for group in groups for text in group)]:
        needed = Requirement(text)
        if canonicalize_name(needed.name) != "internvid":
            assert needed.specifier.contains(tested[canonicalize_name(needed.name)]), text


def test_ci_here_builds_what_ci_there_builds() -> None:
    lines = (ROOT / ".ci" / "run").read_text("utf-8").splitlines()
    called = [line.split()[1] for line in lines if line.startswith("make ")]
    workflow = loaded(ROOT / ".github/workflows/ci.yml")
    runs = " ".join(step.get("run", "") for step in steps(workflow))
    assert set(called) == set(re.findall(r"make ([\w-]+)", runs))


def test_pictures_of_the_gallery_are_small_and_shown() -> None:
    pictures = {path.name: path.stat().st_size for path in (ROOT / "docs/gallery").glob("*.webp")}
    shown = re.findall(r"\]\(gallery/([\w.]+)\)", (ROOT / "docs/gallery.md").read_text("utf-8"))
    assert sorted(shown) == sorted(pictures)
    assert max(pictures.values()) <= 150_000
    assert sum(pictures.values()) <= 600_000


def test_the_reference_covers_the_public_modules() -> None:
    pages = sorted((ROOT / "docs").rglob("api*.md"))
    text = "\n".join(page.read_text("utf-8") for page in pages)
    listed = re.findall(r"^\.\. automodule:: (\S+)$", text, re.MULTILINE)
    assert len(set(listed)) == len(listed)
    for name in listed:
        assert importlib.import_module(name).__doc__
    core = {f"internvid.core.{name}" for name in ("contracts", "registry", "errors", "types")}
    assert {"internvid", "internvid.recipes", *core} <= set(listed)


def test_the_glossary_has_our_words_and_each_leads_on() -> None:
    entries = re.split(r"^## ", (ROOT / "docs/glossary.md").read_text("utf-8"), flags=re.MULTILINE)
    words = {entry.partition("\n")[0]: entry for entry in entries[1:]}
    ours = {"pick", "part", "cut", "stitch", "scan", "timeline", "recipe", "column", "subset"}
    assert ours | {"seal", "protocol"} <= set(words)
    assert all(".md" in entry for entry in words.values())
