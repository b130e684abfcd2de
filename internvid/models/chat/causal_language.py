"""The language model of a video chat: any causal one of transformers, whole or with additions."""

from __future__ import annotations

import importlib
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from internvid.core.errors import ConfigInvalidError, DependencyMissingError
from internvid.core.weights import find_weights, weights_identity
from internvid.models.chat.chat_config import ChatConfig
from internvid.models.pretrained import Checkpoint, Kind, load, separate_models

CAUSAL = Kind("a causal language model", ("AutoModelForCausalLM",), "tokenizer")


@dataclass
class Language:
    """A language model with its tokenizer.

    Attributes:
        model: an `AutoModelForCausalLM`, perhaps with low-rank additions around it.
        tokenizer: of the model.
        reference: folder or hub name that the weights are of.
        identity: of those weights; empty where they are known by no file.
    """

    model: Any
    tokenizer: Any
    reference: str = ""
    identity: str = ""

    @property
    def width(self) -> int:
        """Channels of its token embeddings."""
        return int(self.table.weight.shape[1])

    @property
    def table(self) -> Any:
        """Its token embeddings."""
        return self.model.get_input_embeddings()

    @property
    def context(self) -> int | None:
        """Most tokens of a sequence; None where it does not say."""
        value = getattr(self.model.config, "max_position_embeddings", None)
        return int(value) if value else None

    def end_ids(self) -> frozenset[int]:
        """Tokens that end an answer."""
        listed = getattr(self.model.generation_config, "eos_token_id", None)
        several = listed if isinstance(listed, list) else [listed]
        ids = [*several, self.tokenizer.eos_token_id]
        return frozenset(int(each) for each in ids if each is not None)


def load_language(name: str, device: str = "cpu", dtype: str = "float32") -> Language:
    """A language model of its own: what is trained of it changes no other.

    Args:
        name: folder, `.gguf` file or hub name.
        device, dtype: as `Checkpoint` has them.

    Raises:
        InternvidError: see `internvid.models.pretrained.load`.
    """
    with separate_models():
        loaded = load(Checkpoint(name, device=device, dtype=dtype), CAUSAL)
    place = find_weights(name)
    identity = "" if place is None else weights_identity(str(place))
    reference = str(Path(name).absolute()) if Path(name).exists() else name
    return Language(loaded.model, loaded.processor, reference, identity)


def tuned(language: Language, config: ChatConfig) -> Language:
    """The language model as the config trains it: frozen, with additions, or whole.

    Raises:
        DependencyMissingError: additions need peft, which is not installed.
        ConfigInvalidError: peft cannot add to this model.
    """
    model = language.model
    model.requires_grad_(config.tuning == "full")
    if config.tuning != "lora":
        return language
    try:
        peft = importlib.import_module("peft")
    except ImportError as error:
        raise DependencyMissingError(
            f"low-rank additions need peft: {error}", hint='pip install "internvid[chat]"'
        ) from error
    wanted = peft.LoraConfig(
        r=config.lora_rank,
        lora_alpha=config.lora_alpha,
        lora_dropout=0.0,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )
    try:
        # peft reads what transformers has given another name.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            language.model = peft.get_peft_model(model, wanted)
    except ValueError as error:
        raise ConfigInvalidError(
            f"peft cannot add to {type(model).__name__}: {error}",
            hint="--set model.chat.tuning=frozen or full",
        ) from error
    return language


def trained_state(language: Language, config: ChatConfig) -> dict[str, Tensor]:
    """The tensors of the language model that are trained, by name; none of a frozen one."""
    state: dict[str, Tensor] = language.model.state_dict()
    if config.tuning == "full":
        # Tied tensors are one tensor under two names, which safetensors refuse.
        seen: set[int] = set()
        kept = {}
        for name, value in state.items():
            if value.data_ptr() not in seen:
                seen.add(value.data_ptr())
                kept[name] = value
        return kept
    if config.tuning == "lora":
        return {name: value for name, value in state.items() if "lora_" in name}
    return {}
