"""Configuration is plain dataclasses: what their fields say of themselves, and fingerprints."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from typing import Any, Protocol, TypedDict

from internvid.core.errors import ConfigInvalidError
from internvid.core.moved import recorded_name
from internvid.core.weights import weights_identity


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
        """A member in the form in which the list keeps it."""
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
    import numpy as np  # only here: `--help` reads this file, and has no need of it

    if isinstance(value, np.ndarray):
        # Fitted numbers: their digest says whether they are the same.
        data = np.ascontiguousarray(value)
        digest = hashlib.blake2b(data.tobytes(), digest_size=16).hexdigest()
        return {"array": digest, "shape": list(data.shape), "dtype": str(data.dtype)}
    raise ConfigInvalidError(f"{type(value).__name__} cannot be part of a configuration: {value!r}")


class Identity(TypedDict, total=False):
    """What a component is, as JSON: its class, its version and its configuration.

    Where it is read from a file that lost a part of it, that part is absent.
    """

    component: str
    version: int
    fields: dict[str, Any]


def identity(component: Any) -> Identity:
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
        "component": recorded_name(kind),
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
