"""Models behind an OpenAI-compatible chat server: what a user says about one."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, field, fields
from typing import Any
from urllib.parse import urlsplit

from internvid.core.config import setting
from internvid.core.errors import ConfigInvalidError

KEY_VARIABLE = "INTERNVID_API_KEY"


@dataclass(frozen=True)
class ServedModel:
    """A model behind a chat server (vLLM, SGLang, llama.cpp, Ollama, a hosted service).

    Which weights a server runs cannot be checked: `model` and `revision` are what the user
    declares, and are what counts for the result's identity. The address is not part of it.

    Attributes:
        model: the name that the server knows it by; empty for no served model.
        revision: which weights, in the user's words; change it when the server's change.
        temperature: of sampling; 0 is greedy.
        structured: ask for a JSON object with a `caption`, and check that it is one.
        extra: further fields of each request, as a JSON object.
        base_url: address up to and including "/v1".
        key_variable: environment variable that holds the key; it is read from nowhere else.
        concurrency: most requests under way at once; fewer where answers come late.
        connect_seconds: longest wait for a connection.
        read_seconds: an answer that takes longer is late, and fewer requests are sent at once.
        total_seconds: longest time for one clip's answer, retries included.
        retries: how often a request is sent again.
        cache: folder of kept answers; "auto" for the user's cache folder, empty for none.
        max_requests, max_tokens: most that a run may spend on this model; 0 for no limit.
    """

    model: str = ""
    revision: str = ""
    temperature: float = 0.0
    structured: bool = False
    extra: str = ""
    base_url: str = setting("http://127.0.0.1:8000/v1")
    key_variable: str = setting(KEY_VARIABLE)
    concurrency: int = setting(64)
    connect_seconds: float = setting(10.0)
    read_seconds: float = setting(120.0)
    total_seconds: float = setting(600.0)
    retries: int = setting(5)
    cache: str = setting("auto")
    max_requests: int = setting(0)
    max_tokens: int = setting(0)
    # Says in every record that the weights were not seen.
    identity: str = field(default="unverified", init=False, repr=False)

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                least = 1 if each.name == "concurrency" else 0
                if not (math.isfinite(value) and value >= least):
                    raise ConfigInvalidError(f"{each.name} must be at least {least}, got {value}")
        self._check_url()
        self.extra_fields()

    def _check_url(self) -> None:
        # Addresses are written into records and messages, so they must not hold a secret.
        try:
            parts = urlsplit(self.base_url)
            _ = parts.port
        except ValueError:
            raise ConfigInvalidError("base_url is no address") from None
        if parts.username or parts.password or parts.query or parts.fragment:
            raise ConfigInvalidError(
                "base_url must not hold a user name, a password, a query or a fragment",
                hint=f"put the key into the environment variable {KEY_VARIABLE}",
            )
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigInvalidError(
                f"base_url must begin with http:// or https://, got {self.base_url!r}",
                hint="for example http://127.0.0.1:8000/v1",
            )

    def extra_fields(self) -> dict[str, Any]:
        """The further fields of each request."""
        import json

        if not self.extra:
            return {}
        try:
            further = json.loads(self.extra)
        except ValueError:
            further = None
        if not isinstance(further, dict):
            raise ConfigInvalidError(
                "served.extra must be a JSON object",
                hint="""for example '{"chat_template_kwargs": {"enable_thinking": false}}'""",
            )
        return further

    @property
    def is_greedy(self) -> bool:
        """Whether the model would answer the same question in the same way again."""
        return not self.extra_fields().get("temperature", self.temperature)

    def key(self) -> str | None:
        """The key, from the environment.

        Raises:
            ConfigInvalidError: a variable is named that is not set, or its value is no key.
        """
        if not self.key_variable:
            return None
        key = os.environ.get(self.key_variable, "").strip()
        if not key and self.key_variable != KEY_VARIABLE:
            raise ConfigInvalidError(
                f"the environment variable {self.key_variable} is not set",
                hint="it must hold the key of the server; an empty key_variable sends none",
            )
        if not key.isascii() or not key.isprintable():
            # Without this, the error would come from the HTTP library, with the key in it.
            raise ConfigInvalidError(f"the value of {self.key_variable} cannot be a key")
        return key or None
