"""What components that run models are told in tests: tiny models instead of the real ones."""

from __future__ import annotations

from collections.abc import Mapping

from tests.models.tiny import TinyModels

# Component -> fields that name models -> name in `tests.models.tiny.MAKERS`.
MODELS: Mapping[str, Mapping[str, str]] = {
    "frame": {"local.weights": "blip2"},
    "tags": {"local.weights": "git"},
    "summarise": {"pictures.local.weights": "git", "fuser.local.weights": "t5"},
    "multiscale": {
        "coarse.local.weights": "blip2",
        "fine.local.weights": "git",
        "fuser.local.weights": "t5",
    },
    "chat": {"local.weights": "video_chat"},
    "vlm": {"local.weights": "qwen_vl"},
}

# After a few steps it goes on with one word for ever, which is a failed answer.
FURTHER: Mapping[str, tuple[str, ...]] = {"chat": ("maximum_tokens=2",)}


def tiny_settings(name: str, tiny: TinyModels) -> list[str]:
    """Assignments that give a component tiny models; none for those that need none."""
    named = [f"{path}={tiny[model]}" for path, model in MODELS.get(name, {}).items()]
    return [*named, *FURTHER.get(name, ())]
