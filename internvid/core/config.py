"""Configuration is plain dataclasses: read, changed by dotted path, and fingerprinted here."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import types
import typing
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeVar, Union

import numpy as np

from internvid.core.errors import ConfigInvalidError
from internvid.core.weights import weights_identity

T = TypeVar("T")


def setting(default: Any) -> Any:
    """A dataclass field that only says how to run (device, workers, cache).

    Settings cannot change a result, so they stay out of fingerprints.
    """
    return dataclasses.field(default=default, metadata={"setting": True})


def file_field(default: str = "") -> Any:
    """A dataclass field that names a file whose bytes decide the result (weights, a label list).

    Its fingerprint is that of the bytes: moving or renaming the file changes nothing.
    """
    return dataclasses.field(default=default, metadata={"file": True})


def weights_field(default: str = "") -> Any:
    """A dataclass field that names a model (see `internvid.core.weights`).

    Its fingerprint is that of the weights the name stands for: a hub commit or the files' bytes.
    """
    return dataclasses.field(default=default, metadata={"weights": True})


class Members(Protocol):
    """How the members of a list or mapping field are named in assignments."""

    @property
    def hint(self) -> str:
        """How to say which members there shall be."""
        ...

    def name_of(self, member: Any) -> str:
        """The name of a member."""
        ...

    def make(self, name: str) -> Any:
        """The member that a bare name stands for.

        Raises:
            MisuseError: it stands for none.
        """
        ...

    def begin(self, name: str, path: str) -> Any | None:
        """A new member of that name whose field `path` is about to be set; None: it takes more."""
        ...

    def opened(self, member: Any) -> Any:
        """A member as the dataclass whose fields can be set."""
        ...

    def closed(self, member: Any) -> Any:
        """The same as it stands in the list."""
        ...


def named_by(members: Members) -> dict[str, Any]:
    """Metadata of a field that holds a component, or a tuple or mapping of members with names."""
    return {"members": members}


def plain(value: Any) -> Any:
    """The JSON form of a configuration: dataclasses become dicts, tuples become lists."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    if isinstance(value, np.ndarray):
        # Fitted numbers: their digest says whether they are the same.
        data = np.ascontiguousarray(value)
        digest = hashlib.blake2b(data.tobytes(), digest_size=16).hexdigest()
        return {"array": digest, "shape": list(data.shape), "dtype": str(data.dtype)}
    raise ConfigInvalidError(f"{type(value).__name__} cannot be part of a configuration: {value!r}")


def identity(component: Any) -> dict[str, Any]:
    """What a component is, for its fingerprint: class, version and every field but settings."""
    kind = type(component)
    fields: dict[str, Any] = {}
    for field in dataclasses.fields(component):
        # A leading underscore marks state, not configuration.
        if field.metadata.get("setting") or field.name.startswith("_"):
            continue
        value = getattr(component, field.name)
        nested = dataclasses.is_dataclass(value) and not isinstance(value, type)
        if nested:
            fields[field.name] = identity(value)
        elif isinstance(value, tuple) and any(dataclasses.is_dataclass(item) for item in value):
            fields[field.name] = [
                identity(item) if dataclasses.is_dataclass(item) else plain(item) for item in value
            ]
        elif field.metadata.get("file"):
            fields[field.name] = _hash_of(value)
        elif field.metadata.get("weights"):
            fields[field.name] = weights_identity(value) if value else None
        else:
            fields[field.name] = plain(value)
    return {
        "component": f"{kind.__module__}:{kind.__qualname__}",
        "version": getattr(kind, "version", 1),
        "fields": fields,
    }


def _hash_of(path: str) -> str | None:
    if not path:
        return None
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ConfigInvalidError(f"{path} cannot be read: {error.strerror}") from error


def fingerprint(component: Any, inputs: Mapping[str, str] | None = None) -> str:
    """12 hex digits that change whenever the component's results could.

    Args:
        component: a dataclass; its fields (but settings) and `version` count.
        inputs: name -> fingerprint of everything it reads.
    """
    record = {"identity": identity(component), "inputs": dict(sorted((inputs or {}).items()))}
    text = json.dumps(record, sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(text.encode("utf-8"), digest_size=6).hexdigest()


def with_values(config: T, assignments: Sequence[str]) -> T:
    """A copy of a dataclass with `dotted.path=value` assignments applied.

    Members of a list or mapping that has `Members` go by their names: `filters.still.maximum=1`
    changes a field of one, `filters.still=none` takes it out, `filters=still,black` names all
    that there shall be.

    Raises:
        ConfigInvalidError: no such field or member, or a value the field cannot take.
    """
    for assignment in assignments:
        path, separator, text = assignment.partition("=")
        if not separator or not path.strip():
            raise ConfigInvalidError(
                f"{assignment!r} is not of the form dotted.path=value",
                hint="for example --set detector.threshold=30",
            )
        config = _assign(config, path.strip(), text, assignment)
    return config


def _assign(config: Any, path: str, text: str, assignment: str) -> Any:
    if not dataclasses.is_dataclass(config) or isinstance(config, type):
        raise ConfigInvalidError(f"{assignment!r}: {path!r} lies inside a plain value")
    name, _, rest = path.partition(".")
    known = {field.name: field for field in _public_fields(config)}
    if name not in known:
        raise ConfigInvalidError(
            f"{assignment!r}: {type(config).__name__} has no field {name!r}; "
            f"it has: {', '.join(known) or 'none'}"
        )
    current, members = getattr(config, name), known[name].metadata.get("members")
    if members is not None and isinstance(current, (tuple, Mapping)):
        value = _assign_member(current, members, rest, text, assignment)
    elif rest:
        value = _assign(current, rest, text, assignment)
    elif members is not None:
        value = members.make(text)
    else:
        annotation = typing.get_type_hints(type(config))[name]
        value = parse_value(text, annotation, f"{assignment!r}")
        # 0 and 0.0 are spelled apart in fingerprints: what changes nothing must change nothing.
        value = current if value == current else value
    try:
        return dataclasses.replace(config, **{name: value})
    except (TypeError, ValueError) as error:
        raise ConfigInvalidError(f"{assignment!r}: {error}") from error


def _assign_member(
    current: tuple[Any, ...] | Mapping[str, Any],
    members: Members,
    path: str,
    text: str,
    assignment: str,
) -> tuple[Any, ...] | dict[str, Any]:
    named = dict(current) if isinstance(current, Mapping) else _named(current, members)
    if not path:
        wanted = [part.strip() for part in text.split(",") if part.strip()]
        named = {name: named[name] if name in named else members.make(name) for name in wanted}
        return named if isinstance(current, Mapping) else tuple(named.values())
    # A component from outside has dots in its name: "my_parts.sub:Class".
    fitting = [name for name in named if path == name or path.startswith(f"{name}.")]
    name = max(fitting, key=len) if fitting else path.partition(".")[0]
    rest = path[len(name) + 1 :]
    if not rest and isinstance(current, Mapping) and text.strip().lower() != "none":
        named[name] = members.make(text.strip())
        return named
    begun = members.opened(named[name]) if name in named else members.begin(name, rest)
    if begun is None:
        raise ConfigInvalidError(
            f"{assignment!r}: there is no {name!r}; there are: {', '.join(named) or 'none'}",
            hint=members.hint,
        )
    if rest:
        named[name] = members.closed(_assign(begun, rest, text, assignment))
    elif text.strip().lower() == "none":
        del named[name]
    else:
        raise ConfigInvalidError(
            f"{assignment!r}: {name!r} itself takes only `none`, which takes it out; "
            f"its fields: {', '.join(settings_of(begun)) or 'none'}"
        )
    return named if isinstance(current, Mapping) else tuple(named.values())


def _named(current: tuple[Any, ...], members: Members) -> dict[str, Any]:
    """Members by name; of several that have one name the second is `name-2`, and so on."""
    named: dict[str, Any] = {}
    for member in current:
        name, number = members.name_of(member), 1
        while (name if number == 1 else f"{name}-{number}") in named:
            number += 1
        named[name if number == 1 else f"{name}-{number}"] = member
    return named


def settings_of(config: Any, path: str = "") -> dict[str, Any]:
    """Dotted path -> value of every field that an assignment can give, as paths are spelled there.

    A component or a list of members stands there by name, and its own fields beside it.
    """
    found: dict[str, Any] = {}
    for field in _public_fields(config):
        value, here = getattr(config, field.name), f"{path}{field.name}"
        members = field.metadata.get("members")
        if members is not None and isinstance(value, (tuple, Mapping)):
            named = value if isinstance(value, Mapping) else _named(value, members)
            found[here] = tuple(named)
            for name, member in named.items():
                if not isinstance(member, str):
                    found |= settings_of(member, f"{here}.{name}.")
        elif dataclasses.is_dataclass(value) and not isinstance(value, type):
            if members is not None:
                found[here] = members.name_of(value)
            found |= settings_of(value, f"{here}.")
        elif value is None or isinstance(value, (str, int, float, bool)) or _is_flat(value):
            found[here] = value
    return found


def spell(value: Any) -> str:
    """A value of `settings_of` as an assignment takes it."""
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return "none" if value is None else str(value)


def _is_flat(value: Any) -> bool:
    return isinstance(value, tuple) and all(isinstance(item, (str, int, float)) for item in value)


def _public_fields(config: Any) -> list[dataclasses.Field[Any]]:
    # A leading underscore marks state, not configuration.
    found = dataclasses.fields(config)
    return [field for field in found if field.init and not field.name.startswith("_")]


def parse_value(text: str, annotation: Any, where: str) -> Any:
    """`text` as the annotated type: str, int, float, bool, Optional or a tuple of those."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (Union, types.UnionType):
        if type(None) in arguments and text.strip().lower() in ("none", "null", ""):
            return None
        annotation = next(item for item in arguments if item is not type(None))
        return parse_value(text, annotation, where)
    if origin is tuple:
        parts = [part.strip() for part in text.split(",") if part.strip()]
        return tuple(parse_value(part, arguments[0], where) for part in parts)
    try:
        if annotation is bool:
            return {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}[
                text.strip().lower()
            ]
        if annotation is int:
            return int(text)
        if annotation is float:
            return float(text)
    except (KeyError, ValueError) as error:
        raise ConfigInvalidError(
            f"{where}: {text!r} is not a valid {getattr(annotation, '__name__', annotation)}"
        ) from error
    if annotation is str or origin is typing.Literal:
        if arguments and text not in arguments:
            raise ConfigInvalidError(f"{where}: allowed are {', '.join(map(str, arguments))}")
        return text
    if annotation is Any:
        return text
    raise ConfigInvalidError(
        f"{where}: this field holds more than text can say",
        hint="set a field inside it by its dotted path, or write a recipe in Python",
    )
