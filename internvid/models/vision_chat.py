"""Video-language models with a chat template: several frames and a question in, an answer out.

Frames are given as images, not as a video: video processors demand torchvision, and sampling is
ours (which frames a model saw is part of what an answer is bound to). On models that take images
singly this costs about twice the visual tokens of their video path, which joins frames in pairs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from internvid.core.errors import ConfigInvalidError
from internvid.core.timings import count, stage
from internvid.models.generated_texts import Generated, read_out
from internvid.models.pretrained import IMAGE_TO_TEXT, Checkpoint, Pretrained, load

if TYPE_CHECKING:
    from PIL import Image

    Conversation = tuple[Sequence[Image.Image], str]


@dataclass(frozen=True)
class VisionChat:
    """One loaded vision chat model (Qwen-VL, SmolVLM, LLaVA, Gemma ...). Deterministic.

    Attributes:
        checkpoint: which model.
        maximum_tokens: most tokens of an answer.
        beams: 1 for greedy decoding.
        is_video: pictures are frames of a video: each is shown whole, as video paths do it, and not
            cut into tiles beside (SmolVLM makes 17 pictures of one, which fills its context with
            eight frames).
    """

    checkpoint: Checkpoint
    maximum_tokens: int = 256
    beams: int = 1
    is_video: bool = False
    _loaded: list[Pretrained] = field(default_factory=list, repr=False, compare=False)

    def open(self) -> Pretrained:
        """Load the model.

        Raises:
            InternvidError: see `internvid.models.pretrained.load`; or it has no chat template.
        """
        if not self._loaded:
            loaded = load(self.checkpoint, IMAGE_TO_TEXT)
            if not has_chat(loaded):
                raise ConfigInvalidError(
                    f"{self.checkpoint.name} has no chat template (model type "
                    f"{loaded.model_type!r}); wanted is a vision chat model (Qwen-VL, SmolVLM ...)",
                    hint="the captioner `frame` takes models without one",
                )
            self._loaded.append(loaded)
        return self._loaded[0]

    def answer(self, conversations: Sequence[Conversation]) -> list[Generated]:
        """One answer per conversation, in order; they go through the model as one batch.

        Args:
            conversations: (frames in the order they are shown, words that follow them).
        """
        loaded = self.open()
        if not conversations:
            return []
        import torch

        with loaded.lock, torch.inference_mode(), stage("model"):
            inputs = loaded.place(_inputs(loaded.processor, conversations, is_video=self.is_video))
            sequences = loaded.model.generate(
                **inputs, max_new_tokens=self.maximum_tokens, num_beams=self.beams
            )
            tokenizer = loaded.processor.tokenizer
            generated = read_out(loaded.model, tokenizer, sequences, inputs["input_ids"])
        count("frames", sum(len(images) for images, _ in conversations))
        return generated


def has_chat(loaded: Pretrained) -> bool:
    """Whether a model is prompted through a chat template."""
    return bool(getattr(loaded.processor, "chat_template", None))


def _inputs(
    processor: Any, conversations: Sequence[Conversation], *, is_video: bool
) -> dict[str, Any]:
    texts = []
    for images, words in conversations:
        content = [*({"type": "image"} for _ in images), {"type": "text", "text": words}]
        messages = [{"role": "user", "content": content}]
        texts.append(
            processor.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        )
    # Answers are written at the right end, so shorter questions are filled up on the left.
    processor.tokenizer.padding_side = "left"
    pictures = [list(images) for images, _ in conversations]
    splits = getattr(processor.image_processor, "do_image_splitting", False)
    options = {"do_image_splitting": False} if is_video and splits else {}
    return dict(
        processor(text=texts, images=pictures, padding=True, return_tensors="pt", **options)
    )
