"""docs/viclip.md lists what there is: shapes, presets, options."""

from __future__ import annotations

import dataclasses
import inspect
import re

import pytest
import torch

from internvid.models.viclip import CONFIGS, PREPROCESSINGS, ViCLIP, ViCLIPConfig
from internvid.models.viclip.preprocess import CLIP_MEAN, IMAGENET_MEAN
from tests.docs.manual import page, rows, sections

MEANS = {IMAGENET_MEAN: "ImageNet", CLIP_MEAN: "CLIP"}


@pytest.fixture(scope="module")
def manual() -> dict[str, str]:
    return sections(page("viclip.md"))


def tables(section: str) -> list[list[list[str]]]:
    """Tables of a section, each as rows without its head."""
    return [list(rows(block)) for block in re.findall(r"(?:^\|.*\n)+", section, re.MULTILINE)]


def test_fields_are_listed_with_their_values(manual: dict[str, str]) -> None:
    fields, _ = tables(manual["Shapes"])
    expected = [
        [
            field.name,
            *(str(getattr(CONFIGS[name], field.name)) for name in ("b16", "l14", "small", "tiny")),
        ]
        for field in dataclasses.fields(ViCLIPConfig)
    ]
    assert fields == expected
    assert set(CONFIGS) == {"b16", "l14", "small", "tiny"}


def test_keys_are_listed_with_their_shapes(manual: dict[str, str]) -> None:
    _, keys = tables(manual["Shapes"])
    listed = {(key.replace("...{i}", ".transformer.resblocks.0"), *two) for key, _, *two in keys}
    with torch.device("meta"):
        small, large = (ViCLIP(name).state_dict() for name in ("b16", "l14"))
    real = {
        (key, str(list(small[key].shape)), str(list(large[key].shape)))
        for key in small
        if not re.search(r"resblocks\.[1-9]", key)
    }
    assert listed == real


def test_preprocessings_are_listed(manual: dict[str, str]) -> None:
    assert list(rows(manual["Preprocessing"])) == [
        [
            rule.name,
            rule.fit,
            rule.interpolation,
            str(rule.antialias),
            rule.sampling,
            MEANS[rule.mean],
            rule.rounding,
        ]
        for rule in PREPROCESSINGS.values()
    ]


def test_options_of_loading_are_listed(manual: dict[str, str]) -> None:
    _, options = tables(manual["Load"])
    real = list(inspect.signature(ViCLIP.from_pretrained).parameters)
    assert [row[0] for row in options] == real[1:]
