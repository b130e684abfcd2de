"""Counts the dialogues that templates give; nothing is written, no model is used."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from internvid.conversations.dialogues.dialogue_exporter import DialogueExporter
from internvid.conversations.dialogues.dialogue_maker import NO_QUESTION, OVER_TOKENS, DialogueMaker
from internvid.publishing.clip_items import ClipItems
from internvid.publishing.publish import columns_of
from internvid.publishing.texts.token_limits import counted_by


def plan_scenes(exporter: DialogueExporter, items: ClipItems, scratch: Path) -> dict[str, Any]:
    """What would be written of these clips by templates.

    Args:
        exporter: what is written.
        items: the clips.
        scratch: a folder for what memory does not hold.

    Raises:
        NothingSelectedError: there is no clip.
    """
    exporter.check(columns_of(items.dataset))
    exporter.refuse_nothing(items)
    scenes, maker = exporter.scene_maker(), DialogueMaker(exporter.turn_settings, items, scratch)
    kinds, about, refused, left_out = Counter[str](), Counter[str](), Counter[str](), Counter[str]()
    for scene in scenes.scenes(exporter.query(items, scratch).rows()):
        over = Counter[str]()
        pairs = maker.within_tokens(maker.template_turns(scene), over)
        refused.update(over)
        if not pairs and not exporter.model.is_named:
            left_out[OVER_TOKENS if over else NO_QUESTION] += 1
            continue
        about[scene.scope] += 1
        kinds.update(pair.kind for pair in pairs)
    return {
        "documents": sum(about.values()),
        "about": dict(about),
        "pairs": sum(kinds.values()),
        "kinds": dict(sorted(kinds.items())),
        "left_out": dict(scenes.left_out),
        "documents_left_out": dict(left_out),
        "refused": dict(refused),
        "tokens_counted_by": counted_by(exporter.tokenizer),
    }
