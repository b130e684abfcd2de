"""Configuration is plain dataclasses: read, changed by dotted path, and fingerprinted here."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import types
import typing
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar, Union

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

    Raises:
        ConfigInvalidError: no such field, or a value the field cannot take.
    """
    for assignment in assignments:
        path, separator, text = assignment.partition("=")
        if not separator or not path.strip():
            raise ConfigInvalidError(
                f"{assignment!r} is not of the form dotted.path=value",
                hint="for example --set detector.threshold=30",
            )
        config = _assign(config, path.strip().split("."), text, assignment)
    return config


def _assign(config: Any, path: list[str], text: str, assignment: str) -> Any:
    if not dataclasses.is_dataclass(config) or isinstance(config, type):
        raise ConfigInvalidError(f"{assignment!r}: {path[0]!r} lies inside a plain value")
    names = [field.name for field in dataclasses.fields(config)]
    name = path[0]
    if name not in names:
        raise ConfigInvalidError(
            f"{assignment!r}: {type(config).__name__} has no field {name!r}; "
            f"it has: {', '.join(names) or 'none'}"
        )
    current = getattr(config, name)
    if len(path) > 1:
        value = _assign(current, path[1:], text, assignment)
    else:
        annotation = typing.get_type_hints(type(config))[name]
        value = parse_value(text, annotation, f"{assignment!r}")
    try:
        return dataclasses.replace(config, **{name: value})
    except (TypeError, ValueError) as error:
        raise ConfigInvalidError(f"{assignment!r}: {error}") from error


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
