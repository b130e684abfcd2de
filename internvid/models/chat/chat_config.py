"""What shapes a video chat: its connector, its prompt form, and how its language model is tuned."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from internvid.core.errors import ConfigInvalidError

Tuning = Literal["frozen", "lora", "full"]
PROMPT_FORMS = ("auto", "template", "plain", "videochat")


@dataclass(frozen=True)
class ConnectorConfig:
    """What turns ViCLIP's tokens into inputs of a language model.

    Attributes:
        kind: `mlp` (pooled tokens of each frame, and the clip's embedding) or `qformer` (BLIP-2's
            Q-Former with further learned queries, as in VideoChat).
        grid: of `mlp`: cells along a side that the tokens of a frame are pooled to.
        hidden: channels inside; 0 takes the language model's.
        queries: of `qformer`: queries that BLIP-2 has too.
        extra_queries: of `qformer`: further ones.
        layers, heads: of `qformer`.
    """

    kind: Literal["mlp", "qformer"] = "mlp"
    grid: int = 1
    hidden: int = 0
    queries: int = 32
    extra_queries: int = 64
    layers: int = 2
    heads: int = 4

    def __post_init__(self) -> None:
        if self.kind not in ("mlp", "qformer"):
            raise ConfigInvalidError(f"connector.kind is mlp or qformer, not {self.kind!r}")
        for name in ("grid", "queries", "layers", "heads"):
            if getattr(self, name) < 1:
                raise ConfigInvalidError(f"connector.{name} must be at least 1")
        if self.hidden < 0 or self.extra_queries < 0:
            raise ConfigInvalidError("connector.hidden and extra_queries must be at least 0")


@dataclass(frozen=True)
class ChatConfig:
    """Everything about a video chat but its two models.

    Attributes:
        connector: between them.
        frames: of a video that are looked at; more than ViCLIP takes go through it in turns.
        prompt: `template` (the language model's own chat template), `plain` (Video, Question,
            Answer), `videochat` (the form of the paper); `auto` takes the template where there is
            one, else `plain`.
        tuning: what is trained of the language model: nothing (`frozen`), low-rank additions
            (`lora`) or everything (`full`).
        lora_rank, lora_alpha: of the additions.
    """

    connector: ConnectorConfig = field(default_factory=ConnectorConfig)
    frames: int = 8
    prompt: Literal["auto", "template", "plain", "videochat"] = "auto"
    tuning: Tuning = "frozen"
    lora_rank: int = 16
    lora_alpha: int = 32

    def __post_init__(self) -> None:
        if self.prompt not in PROMPT_FORMS:
            raise ConfigInvalidError(
                f"prompt is one of {', '.join(PROMPT_FORMS)}, not {self.prompt!r}"
            )
        if self.tuning not in ("frozen", "lora", "full"):
            raise ConfigInvalidError(f"tuning is frozen, lora or full, not {self.tuning!r}")
        if self.frames < 1 or self.lora_rank < 1 or self.lora_alpha < 1:
            raise ConfigInvalidError("frames, lora_rank and lora_alpha must be at least 1")

    @classmethod
    def of_json(cls, values: Mapping[str, Any]) -> ChatConfig:
        """The config of a JSON object.

        Raises:
            ConfigInvalidError: a field that there is not, or a value it cannot take.
        """
        try:
            given = dict(values)
            connector = ConnectorConfig(**given.pop("connector", {}))
            return cls(connector=connector, **given)
        except TypeError as error:
            raise ConfigInvalidError(f"it is no config of a video chat: {error}") from error

    def as_json(self) -> dict[str, Any]:
        """Its fields as plain JSON."""
        return dataclasses.asdict(self)
