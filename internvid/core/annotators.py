"""What a captioner or scorer declares beside its verb, with the defaults of what it leaves out.

Optional class attributes and methods of such a component:

- `value_type`: Arrow type of its value: "string", "double", "bool", or "vector" (float32 of any
  one length). Default: "string" for captioners, "double" for scorers.
- `extras`: further columns it fills through `Annotation.extras`: name -> Arrow type, one of
  "string", "double", "int64", "bool", "list<string>", "list<double>". They are read as
  `<column>_<name>`.
- `reads`: what its answers depend on: "picks", "row" (measured columns), "text" (a text column)
  and "source" (the video file). Default: picks alone. It decides what the column's fingerprint
  contains, and what a `ClipView` carries.
- `needs` (attribute or property): a `Needs`.
- `lasting` (attribute or property): reasons of failures that the same question gets again, because
  they lie with the clip. Such clips wait for `--retry`; other failures are given again by
  every run. Default: none.
- `other_paths`: further ways to write its fields in assignments (see `with_values`); captioners and
  scorers with models on this machine take both `device=` and `local.device=`.
- `setup()`: imports, loads and checks everything, once, before the first clip; raises an
  InternvidError that says what is missing. A component that has it is run in one process, which
  holds its models; others are spread over worker processes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

from internvid.core.contracts import Needs
from internvid.core.errors import ConfigInvalidError

Reads = Literal["picks", "row", "text", "source"]
READS: tuple[Reads, ...] = ("picks", "row", "text", "source")
VALUE_TYPES = ("string", "double", "bool", "vector")
LOCAL_FIELDS = ("dtype", "trust_remote_code", "device", "batch", "threads", "download")
"""Fields of captioners and scorers for a model on this machine, beside its name."""
NESTED_PATHS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"local.weights": ("model",), **{f"local.{name}": (name,) for name in LOCAL_FIELDS}}
)
"""`other_paths` of a component that has its model's fields itself: `local.device` for `device`."""
EXTRA_TYPES = ("string", "double", "int64", "bool", "list<string>", "list<double>")


@dataclass(frozen=True)
class Traits:
    """The declarations of one component, complete.

    Attributes:
        verb: "caption" or "score".
        value_type, extras, reads, needs, lasting: see the module.
        has_setup: whether it has something to load.
    """

    verb: Literal["caption", "score"]
    value_type: str
    extras: Mapping[str, str] = field(default_factory=dict)
    reads: frozenset[str] = frozenset({"picks"})
    needs: Needs = field(default_factory=Needs)
    has_setup: bool = False
    lasting: frozenset[str] = frozenset()


def traits_of(component: Any) -> Traits:
    """What a captioner or scorer declares.

    Raises:
        ConfigInvalidError: it has neither verb, or declares a type or input that is not known.
    """
    name = type(component).__name__
    verb: Literal["caption", "score"] = "caption" if hasattr(component, "caption") else "score"
    if not hasattr(component, verb):
        raise ConfigInvalidError(f"{name} has neither `caption` nor `score`")
    value_type = getattr(component, "value_type", "string" if verb == "caption" else "double")
    extras = dict(getattr(component, "extras", {}))
    reads = frozenset(getattr(component, "reads", ("picks",)))
    wrong = [kind for kind in (value_type,) if kind not in VALUE_TYPES]
    wrong += [kind for kind in extras.values() if kind not in EXTRA_TYPES]
    wrong += sorted(reads - set(READS))
    if wrong:
        allowed = ", ".join((*VALUE_TYPES, *EXTRA_TYPES[2:], *READS))
        raise ConfigInvalidError(f"{name} declares {wrong[0]!r}; allowed: {allowed}")
    needs = getattr(component, "needs", Needs())
    lasting = frozenset(getattr(component, "lasting", ()))
    has_setup = hasattr(component, "setup")
    return Traits(verb, value_type, extras, reads, needs, has_setup, lasting)


def set_up(component: Any) -> None:
    """Load what a component needs, if it has anything to load.

    Raises:
        InternvidError: a package, weights, a key or a server is missing.
    """
    if hasattr(component, "setup"):
        component.setup()


def bare_paths(*models: str) -> Mapping[str, tuple[str, ...]]:
    """`other_paths` of a component whose models lie in fields: `device` for `local.device`.

    Args:
        models: paths of its fields that are a `LocalModel`; a bare name sets all of them.
    """
    paths = {name: tuple(f"{model}.{name}" for model in models) for name in LOCAL_FIELDS}
    return MappingProxyType(paths)
