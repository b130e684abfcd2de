"""What benchmarks of video chats share: how the subject is opened, and the start of a protocol."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from internvid.core.weights import find_weights, weights_identity
from internvid.evaluation.results.protocol import Protocol
from internvid.models.chat.chat_folder import is_chat
from internvid.models.chat.video_chat import VideoChat


def open_chat(source: str, device: str) -> VideoChat:
    """The video chat of a name.

    Raises:
        InternvidError: see `VideoChat.from_pretrained`.
    """
    return VideoChat.from_pretrained(source, device=device)


def chat_identity(subject: VideoChat, source: str) -> dict[str, Any]:
    """Which model was measured."""
    place = find_weights(source)
    if place is not None and is_chat(place) and (place / "model").is_dir():
        place = place / "model"
    return {
        "name": Path(source).name if Path(source).exists() else source,
        "weights": weights_identity(str(place)) if place is not None else "in memory",
        **subject.describe(),
    }


def chat_protocol(
    name: str,
    version: int,
    subject: VideoChat,
    *,
    annotations: str,
    listed: int,
    found: int,
    clips: str,
    details: Mapping[str, Any],
) -> Protocol:
    """The protocol of a benchmark of video chats."""
    return Protocol(
        benchmark=name,
        version=version,
        annotations=annotations,
        listed=listed,
        found=found,
        clips=clips,
        frames=subject.config.frames,
        frame_rule="middle of equal intervals",
        preprocessing=subject.vision.preprocessing.fingerprint,
        text_tokens=subject.language.context,
        details={"prompt_form": subject.form, "decoding": "greedy", **details},
    )
