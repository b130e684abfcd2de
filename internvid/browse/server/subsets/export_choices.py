"""What a page can choose of an export, and the command that it becomes.

A choice is a name among those that there are, a number or a text; none is a path. Each word of the
command is one argument of a process, never a line that a shell takes apart.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from internvid.browse.server.conditions import AddressUnreadableError
from internvid.core import registry
from internvid.core.assignments import settings_of, with_values
from internvid.core.errors import InternvidError
from internvid.core.system.shell import command
from internvid.dataset.names import NAME

if TYPE_CHECKING:
    from internvid.dataset.store import Dataset

# Fields of exporters that a page sets. `tokenizer` may be a folder, and others name paths or
# people: these are for the command line.
FIELDS: Mapping[str, str] = {
    "caption": "Caption column",
    "prefix": "Prefix",
    "trigger": "Trigger word",
    "tokens": "Tokens at most",
    "cut.fps": "Frames per second",
    "cut.frames": "Frame counts",
    "cut.maximum_frames": "Frames at most",
    "cut.windows": "Windows",
    "cut.stride_frames": "Frames between windows",
    "cut.size": "Size",
    "cut.multiple": "Sides are multiples of",
    "cut.crop": "Crop",
    "cut.sound": "Sound",
    "clips_per_shard": "Clips a shard",
    "frames": "Frames a clip",
    "short_side": "Shorter side",
    "quality": "JPEG quality",
}
_CHOICES: Mapping[str, tuple[str, ...]] = {
    "cut.windows": ("whole", "head", "middle", "slide"),
    "cut.crop": ("none", "bars", "text", "bars+text"),
}
_MOST_TEXT = 200


@dataclass(frozen=True)
class ExportChoice:
    """What to export, and how.

    Attributes:
        exporter: name of one that there is.
        subset: only its clips; empty for all kept clips.
        preset: of a trainer; empty for none.
        settings: field -> value, as texts.
    """

    exporter: str
    subset: str
    preset: str
    settings: Mapping[str, str]

    def arguments(self, dataset: Path, folder: Path | str) -> list[str]:
        """Words of the command behind `internvid`."""
        words = ["publish", str(dataset), str(folder)]
        if self.subset:
            words += ["--subset", self.subset]
        words += ["--exporter", self.exporter]
        if self.preset:
            words += ["--preset", self.preset]
        for name, value in self.settings.items():
            words += ["--set", f"{name}={value}"]
        return words

    def line(self, dataset: Path, folder: Path | str) -> str:
        """The command, ready to be pasted into a shell."""
        return command(*self.arguments(dataset, folder))


def known_exporters() -> list[dict[str, Any]]:
    """Each exporter with the fields that a page sets; those whose package is missing are not."""
    listed = []
    for name in registry.names("exporter"):
        try:
            made = registry.create("exporter", name)
        except (InternvidError, ImportError):
            continue
        defaults = settings_of(made)
        lines = (type(made).__doc__ or "").strip().splitlines()
        listed.append(
            {
                "name": name,
                "does": lines[0] if lines else "",
                "takes_preset": "cut.fps" in defaults,
                "fields": [
                    {"name": field, "label": label, "value": _text(defaults[field]),
                     "choices": list(_CHOICES.get(field, ()))}
                    for field, label in FIELDS.items()
                    if field in defaults
                ],
            }
        )  # fmt: skip
    return listed


def known_presets() -> list[dict[str, Any]]:
    """Each preset, and what it sets: field -> value."""
    from internvid.publishing.trainer_presets import PRESETS

    return [
        {"name": name, "sets": dict(each.split("=", 1) for each in one.settings())}
        for name, one in PRESETS.items()
    ]


def read_choice(dataset: Dataset, fields: Iterable[tuple[str, str]]) -> ExportChoice:
    """What an address or a page chooses: `exporter`, `subset`, `preset`, and fields by name.

    Raises:
        AddressUnreadableError: a name that there is not, or a text that cannot be a value.
        InternvidError: no such subset, or values that cannot be together.
    """
    from internvid.publishing.trainer_presets import preset_settings

    given = dict(fields)
    exporter = given.pop("exporter", "") or "folder"
    subset, preset = given.pop("subset", ""), given.pop("preset", "")
    if exporter not in registry.names("exporter"):
        raise AddressUnreadableError(f"no exporter is called {exporter[:60]!r}")
    if subset:
        dataset.subset_path(subset)
    made = registry.create("exporter", exporter)
    defaults = settings_of(made)
    first: tuple[str, ...] = ()
    if preset:
        if preset not in {each["name"] for each in known_presets()}:
            raise AddressUnreadableError(f"no preset is called {preset[:60]!r}")
        if "cut.fps" not in defaults:
            raise AddressUnreadableError(f"{exporter} cuts by no plan, so it takes no preset")
        first = preset_settings(preset, getattr(type(made), "__dataclass_fields__", {}))
    settings = {}
    for name, value in given.items():
        if name not in FIELDS or name not in defaults:
            raise AddressUnreadableError(f"{exporter} has no field {name[:60]!r} for pages to set")
        settings[name] = _checked(name, value)
    # What cannot be is known before a process is started.
    with_values(made, [*first, *(f"{name}={value}" for name, value in settings.items())])
    return ExportChoice(exporter, subset, preset, settings)


def _checked(name: str, value: str) -> str:
    if len(value) > _MOST_TEXT:
        raise AddressUnreadableError(f"{FIELDS[name]} has more than {_MOST_TEXT} characters")
    if any(unicodedata.category(each)[0] == "C" for each in value):
        raise AddressUnreadableError(f"{FIELDS[name]} has characters that control a screen")
    if name == "caption" and value:
        for each in value.split(","):
            if not NAME.fullmatch(each):
                raise AddressUnreadableError(f"no column is called {each[:60]!r}")
    return value


def _text(value: Any) -> str:
    return "none" if value is None else str(value)
