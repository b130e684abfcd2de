"""Image-to-text models of any make: pictures in, one sentence each out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from internvid.core.errors import ConfigInvalidError
from internvid.core.timings import count, stage
from internvid.models.generated_texts import Generated, read_out, without_prompt
from internvid.models.pretrained import IMAGE_TO_TEXT, Checkpoint, Pretrained, load
from internvid.models.vision_chat import VisionChat, has_chat

if TYPE_CHECKING:
    from PIL import Image

# What a chat model is asked where no prompt is given; captioning models need none.
CHAT_PROMPT = "Describe this picture in one sentence."


@dataclass(frozen=True)
class ImageToText:
    """One loaded image-to-text model. Deterministic: greedy, or beams without sampling.

    BLIP, BLIP-2 and GIT take a prompt as the beginning of their answer; encoder-decoders without
    one (ViT-GPT2) refuse it; models with a chat template are prompted with it as a question.

    Attributes:
        checkpoint: which model.
        maximum_tokens: most tokens of an answer.
        beams: 1 for greedy decoding.
    """

    checkpoint: Checkpoint
    maximum_tokens: int = 40
    beams: int = 1
    _loaded: list[Pretrained] = field(default_factory=list, repr=False, compare=False)

    def open(self, prompt: str = "") -> Pretrained:
        """Load the model, and check that it can take the prompt.

        Raises:
            InternvidError: see `internvid.models.pretrained.load`; or it takes no prompt.
        """
        if not self._loaded:
            self._loaded.append(load(self.checkpoint, IMAGE_TO_TEXT))
        loaded = self._loaded[0]
        if prompt and loaded.model_type == "vision-encoder-decoder":
            raise ConfigInvalidError(
                f"{self.checkpoint.name} takes no prompt (model type {loaded.model_type!r})",
                hint="leave the prompt empty, or take a BLIP, GIT or chat model",
            )
        return loaded

    def words(self, prompt: str = "") -> str:
        """What is really sent to the model beside the picture."""
        return prompt or (CHAT_PROMPT if has_chat(self.open()) else "")

    def describe(self, images: Sequence[Image.Image], prompt: str = "") -> list[Generated]:
        """One answer per picture, in order.

        Args:
            images: RGB pictures of any sizes; they go through the model as one batch.
            prompt: words put before the answer, which does not repeat them.
        """
        loaded = self.open(prompt)
        if not images:
            return []
        if has_chat(loaded):
            chat = VisionChat(self.checkpoint, self.maximum_tokens, self.beams)
            return chat.answer([([image], self.words(prompt)) for image in images])
        import torch

        with loaded.lock, torch.inference_mode(), stage("model"):
            inputs = loaded.place(_inputs(loaded, list(images), prompt))
            sequences = loaded.model.generate(
                **inputs, max_new_tokens=self.maximum_tokens, num_beams=self.beams
            )
            tokenizer = loaded.processor.tokenizer
            generated = read_out(loaded.model, tokenizer, sequences, inputs.get("input_ids"))
        count("frames", len(images))
        return without_prompt(generated, prompt)


def _inputs(loaded: Pretrained, images: list[Any], prompt: str) -> dict[str, Any]:
    """Tensors of a batch: pixels, and the prompt's tokens where there is one."""
    processor = loaded.processor
    if loaded.model_type == "vision-encoder-decoder":
        return dict(processor.image_processor(images, return_tensors="pt"))
    if not prompt:
        return dict(processor(images=images, return_tensors="pt"))
    if loaded.model_type == "git":
        # Its own recipe: the start token and the prompt, without the token that ends a text.
        tokens = processor.tokenizer(
            [prompt] * len(images), add_special_tokens=False, return_tensors="pt"
        )["input_ids"]
        start = tokens.new_full((len(images), 1), processor.tokenizer.cls_token_id)
        pixels = processor.image_processor(images, return_tensors="pt")["pixel_values"]
        return {"pixel_values": pixels, "input_ids": _joined(start, tokens)}
    return dict(processor(images=images, text=[prompt] * len(images), return_tensors="pt"))


def _joined(start: Any, tokens: Any) -> Any:
    import torch

    return torch.cat([start, tokens], dim=1)
