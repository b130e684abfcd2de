"""Questions about a video, answered: ViCLIP's tokens, a connector, a language model (paper §9).

`VideoChat.from_pretrained("runs/chat/model").chat("film.mp4", "What happens here?")`
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from internvid.core.errors import CheckpointMismatchError, ConfigInvalidError
from internvid.core.hub_upload import HubTarget, upload_folder
from internvid.core.types import TimeSpan
from internvid.models.chat.causal_language import Language, trained_state, tuned
from internvid.models.chat.chat_config import ChatConfig
from internvid.models.chat.chat_folder import ChatParts, read_chat, write_chat
from internvid.models.chat.connectors import MlpConnector, QFormerConnector, make_connector
from internvid.models.chat.decoding import answer_scores, greedy
from internvid.models.chat.prompt_forms import (
    Piece,
    Turn,
    chosen_form,
    frames_sentence,
    pieces_of,
    stop_text,
)
from internvid.models.chat.prompt_tokens import PromptTokens, assembled, tokenised
from internvid.models.chat.video_inputs import SampledVideo, sample_video
from internvid.models.viclip.inputs import Video
from internvid.models.viclip.masking import patchify
from internvid.models.viclip.model import ViCLIP

Kept = Literal["reference", "whole"]


@dataclass(frozen=True)
class SeenVideo:
    """A video as the language model is given it.

    Attributes:
        inputs: [M, D]; None for no video at all, as a control.
        sentence: what the prompt says of its frames.
    """

    inputs: Tensor | None
    sentence: str


class VideoChat(nn.Module):
    """A video chat.

    Args:
        vision: ViCLIP, whose tokens are read and which is not trained.
        language: the language model with its tokenizer.
        config: everything else.

    Attributes:
        connector: from the one to the other.
    """

    def __init__(
        self, vision: ViCLIP, language: Language, config: ChatConfig | None = None
    ) -> None:
        super().__init__()
        self.config = config or ChatConfig()
        self.vision = vision.requires_grad_(requires_grad=False).eval()
        self.language = tuned(language, self.config)
        self.language_model: nn.Module = self.language.model
        weight = self.language.table.weight.detach().float()
        scale = float(weight.square().mean().sqrt())
        self.connector: MlpConnector | QFormerConnector = make_connector(
            self.config.connector, vision.config, self.language.width, scale
        )
        self.vision_reference = ""
        self.form = chosen_form(self.config.prompt, language.tokenizer)

    @classmethod
    def from_pretrained(
        cls, source: str | Path, *, device: str = "cpu", dtype: str = "float32"
    ) -> VideoChat:
        """A model that `save_pretrained` or training wrote, in evaluation mode.

        Args:
            source: its folder, a training run, or a hub name. Nothing in it is run.
            device: `auto`, `cpu`, `cuda` ...
            dtype: of all parameters: `auto`, `float32`, `bfloat16` ...

        Raises:
            SourceMissingError: it does not exist.
            WeightsMissingError: a model that it refers to is not here.
            CheckpointFormatError: it is damaged, or no video chat.
            CheckpointMismatchError: a model that it refers to is another one by now.
        """
        parts: ChatParts = read_chat(str(source), device, dtype)
        made = cls(parts.vision, parts.language, parts.config)
        made.vision_reference = parts.vision_reference
        first = next(iter(parts.language.model.parameters()))
        made.connector.to(device=first.device)
        made.take(parts.state, str(source))
        return made.to(dtype=first.dtype).eval()

    def take(self, state: dict[str, Tensor], source: str) -> None:
        """The trained tensors of a folder; see `trained_state`.

        Raises:
            CheckpointMismatchError: they are not those of this model.
        """
        mine = self.trained_state()
        wrong = sorted(set(mine) ^ set(state))
        wrong += sorted(
            name for name in set(mine) & set(state) if mine[name].shape != state[name].shape
        )
        if wrong:
            raise CheckpointMismatchError(
                f"{source} holds another model: {len(wrong)} tensors differ, such as {wrong[0]}"
            )
        with torch.no_grad():
            for name, value in mine.items():
                value.copy_(state[name])

    def trained_state(self) -> dict[str, Tensor]:
        """The tensors that training changes: `connector.NAME`, `language.NAME`."""
        state = {f"connector.{name}": value for name, value in self.connector.state_dict().items()}
        language = trained_state(self.language, self.config)
        return state | {f"language.{name}": value for name, value in language.items()}

    def save_pretrained(
        self, folder: str | Path, *, language: Kept = "reference", vision: Kept = "whole"
    ) -> None:
        """Write a folder that `from_pretrained` reads: safetensors and JSON.

        Args:
            folder: new, empty, or of such a model.
            language: `reference` keeps the name and identity of the language model's weights,
                `whole` the weights themselves, so that the folder needs nothing else.
            vision: likewise of ViCLIP.

        Raises:
            OutputExistsError: the folder holds something else.
            ConfigInvalidError: a reference is wanted to a model that came from no file.
            StorageError: it cannot be written.
        """
        parts = ChatParts(
            self.vision, self.language, self.config, self.trained_state(), self.vision_reference
        )
        write_chat(parts, Path(folder), language=language, vision=vision)

    def push_to_hub(
        self,
        repo_id: str,
        *,
        language: Kept = "reference",
        private: bool = False,
        **options: Any,
    ) -> str:
        """Upload what `save_pretrained` writes to a Hugging Face model repository.

        Args:
            repo_id: `owner/name`; made if it does not exist.
            language: see `save_pretrained`.
            private: whether a repository that is made is private.
            options: `revision`, `token`, `message`, `endpoint` of `HubTarget`.

        Returns:
            The address of the commit.

        Raises:
            ServiceError: no network, no permission, or the hub refuses.
        """
        with tempfile.TemporaryDirectory() as folder:
            self.save_pretrained(folder, language=language)
            return upload_folder(Path(folder), "model", HubTarget(repo_id, private, **options))

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return self.vision.device

    def video_tokens(self, frames: int | None = None) -> int:
        """Inputs that a video of so many frames becomes; of the config's number by default."""
        window = self.vision.config.frames
        count = frames or self.config.frames
        return self.connector.tokens(min(window, count), -(-count // window))

    def connected(self, pixels_BTCHW: Tensor, places_BT: Tensor) -> Tensor:
        """Inputs of the language model [B, M, D], with gradients of the connector alone.

        Args:
            pixels_BTCHW: normalised; more frames than ViCLIP takes go through it in windows.
            places_BT: of the frames in their videos, from 0 to 1.
        """
        window = self.vision.config.frames
        parts = []
        for start in range(0, pixels_BTCHW.shape[1], window):
            pixels = pixels_BTCHW[:, start : start + window]
            tokens, clip = self._tokens(pixels)
            parts.append(self.connector(tokens, clip, places_BT[:, start : start + window]))
        return torch.cat(parts, dim=1)

    @torch.no_grad()
    def _tokens(self, pixels_BTCHW: Tensor) -> tuple[Tensor, Tensor]:
        batch, frames, _, height, width = pixels_BTCHW.shape
        tower = self.vision.vision_encoder
        patch = tower.patch
        positions = tower.positions(frames, height // patch, width // patch)
        clip_BE, tokens_BLW = tower.encode_penultimate(patchify(pixels_BTCHW, patch), positions)
        tokens_BNTW = tokens_BLW.reshape(batch, -1, frames, tokens_BLW.shape[-1])
        return tokens_BNTW.transpose(1, 2), clip_BE

    @torch.no_grad()
    def see(
        self,
        video: Video | SampledVideo | None,
        *,
        frames: int | None = None,
        span: TimeSpan | None = None,
    ) -> SeenVideo:
        """A video as the language model is given it: once, for any number of questions.

        Args:
            video: see `sample_video`; None for no video at all.
            frames: that are looked at; the config's by default.
            span: of a file: the part to look at.

        Raises:
            InternvidError: see `sample_video`.
        """
        if video is None:
            return SeenVideo(None, "")
        count = self._whole_windows(frames or self.config.frames)
        sampled = video if isinstance(video, SampledVideo) else sample_video(video, count, span)
        pixels = self.vision.preprocessing(
            sampled.frames[None].to(self.device), self.vision.config.resolution
        ).to(self.vision.dtype)
        places = torch.tensor([sampled.places], device=self.device, dtype=torch.float32)
        inputs = self.connected(pixels, places.to(self.vision.dtype))[0]
        return SeenVideo(inputs, frames_sentence(sampled.seconds, len(sampled.frames)))

    def _whole_windows(self, frames: int) -> int:
        """So many frames, rounded up so that ViCLIP's windows are full."""
        window = self.vision.config.frames
        return frames if frames <= window else -(-frames // window) * window

    def prompt(
        self, seen: SeenVideo, turns: Sequence[Turn], most: int = 0, begins: str = ""
    ) -> PromptTokens:
        """The tokens of a dialogue about a video.

        Args:
            seen: the video.
            turns: see `pieces_of`.
            most: tokens of the answer that there must be room for.
            begins: words that the answer is to go on from.

        Raises:
            ConfigInvalidError: it is longer than the language model takes.
        """
        with_video = seen.inputs is not None
        tokenizer = self.language.tokenizer
        pieces = pieces_of(turns, seen.sentence, self.form, tokenizer, with_video=with_video)
        if begins:
            space = "" if self.form == "template" else " "
            pieces.append(Piece(f"{space}{begins}"))
        tokens = tokenised(pieces, tokenizer, begins=self.form != "template")
        count = len(tokens.ids) + (0 if seen.inputs is None else len(seen.inputs)) + most
        limit = self.language.context
        if limit is not None and count > limit:
            raise ConfigInvalidError(
                f"the dialogue takes {count} tokens ({most} for the answer), and the language "
                f"model takes {limit}",
                hint="fewer frames, fewer turns, or a smaller --max-tokens",
            )
        return tokens

    def stream(
        self, seen: SeenVideo, turns: Sequence[Turn], *, max_tokens: int = 128
    ) -> Iterator[str]:
        """The answer to the last question, in pieces as they are written.

        Args:
            seen: the video, of `see`.
            turns: the dialogue so far; a question comes last.
            max_tokens: most tokens of the answer.

        Raises:
            ConfigInvalidError: see `prompt`.
        """
        written, shown = [], ""
        stop = stop_text(self.form)
        batch = self._batch([seen], [turns], max_tokens)
        for token in greedy(self.language, *batch, max_tokens):
            if int(token[0]) < 0:
                break
            written.append(int(token[0]))
            text = self._text(written)
            if stop and stop in text:
                break
            held = text[: -len(stop)] if stop else text
            # A character of several tokens is not whole yet.
            if not held.endswith("\ufffd") and held.startswith(shown) and held != shown:
                yield held[len(shown) :]
                shown = held
        last = self._text(written).partition(stop)[0] if stop else self._text(written)
        if last.startswith(shown) and last != shown:
            yield last[len(shown) :]

    def chat(
        self,
        video: Video,
        question: str,
        *,
        history: Sequence[Turn] = (),
        frames: int | None = None,
        max_tokens: int = 128,
    ) -> str:
        """The answer to a question about a video.

        Args:
            video: a path, a FrameBatch, or uint8 [T, H, W, 3].
            question: what to answer.
            history: turns before it.
            frames: that are looked at; the config's by default.
            max_tokens: most tokens of the answer.

        Raises:
            InternvidError: no video, no question, or a dialogue that is too long.
        """
        if not question.strip():
            raise ConfigInvalidError("the question is empty")
        turns = [*history, Turn("user", question)]
        seen = self.see(video, frames=frames)
        return "".join(self.stream(seen, turns, max_tokens=max_tokens)).strip()

    @torch.no_grad()
    def answers(
        self,
        seen: Sequence[SeenVideo],
        dialogues: Sequence[Sequence[Turn]],
        *,
        max_tokens: int = 128,
        begins: str = "",
    ) -> list[str]:
        """Answers to the last questions of several dialogues, together.

        Args:
            seen: the video of each; all with, or all without one.
            dialogues: turns of each.
            max_tokens: most tokens of an answer.
            begins: words that each answer is to go on from; they are no part of what is returned.
        """
        if not dialogues:
            return []
        batch = self._batch(seen, dialogues, max_tokens, begins)
        steps = list(greedy(self.language, *batch, max_tokens))
        rows = torch.stack(steps, dim=1).tolist() if steps else [[] for _ in dialogues]
        stop = stop_text(self.form)
        texts = [self._text([token for token in row if token >= 0]) for row in rows]
        return [(text.partition(stop)[0] if stop else text).strip() for text in texts]

    @torch.no_grad()
    def likelihoods(
        self, seen: SeenVideo, turns: Sequence[Turn], options: Sequence[str]
    ) -> list[float]:
        """Mean log-likelihood of a token of each option as the answer to the last question.

        Args:
            seen: the video.
            turns: a question comes last.
            options: answers, each not empty.
        """
        rows = [self.prompt(seen, [*turns, Turn("assistant", option)]) for option in options]
        video = _stacked([seen] * len(rows))
        embeds, mask, labels = assembled(rows, video, self.language.table)
        logits = self.language_model(inputs_embeds=embeds, attention_mask=mask).logits
        # Of the earlier turns nothing is counted: only what the option adds.
        last = torch.tensor([_last_answer(row) for row in rows], device=labels.device)
        for at, count in enumerate(last.tolist()):
            places = (labels[at] >= 0).nonzero()[:, 0]
            labels[at, places[: len(places) - count]] = -100
        sums, counts = answer_scores(logits, labels)
        return [float(each) for each in (sums / counts.clamp(min=1)).tolist()]

    def _batch(
        self,
        seen: Sequence[SeenVideo],
        dialogues: Sequence[Sequence[Turn]],
        most: int,
        begins: str = "",
    ) -> tuple[Tensor, Tensor]:
        prompts = [
            self.prompt(one, turns, most, begins)
            for one, turns in zip(seen, dialogues, strict=True)
        ]
        embeds, mask, _ = assembled(prompts, _stacked(seen), self.language.table, left=True)
        return embeds, mask

    def _text(self, tokens: Sequence[int]) -> str:
        return str(self.language.tokenizer.decode(list(tokens), skip_special_tokens=True))

    def describe(self) -> dict[str, Any]:
        """What decides an answer beside the weights, as plain JSON: to store with results."""
        return {
            "config": self.config.as_json(),
            "prompt_form": self.form,
            "language": self.language.reference,
            "language_identity": self.language.identity,
            "vision": self.vision.describe(),
        }


def _stacked(seen: Sequence[SeenVideo]) -> Tensor | None:
    inputs = [each.inputs for each in seen if each.inputs is not None]
    if not inputs:
        return None
    if len(inputs) != len(seen) or len({each.shape for each in inputs}) > 1:
        raise ConfigInvalidError("videos of one batch must all be there, with as many frames each")
    return torch.stack(inputs)


def _last_answer(row: PromptTokens) -> int:
    """Tokens of the last answer of a prompt."""
    count = 0
    for is_answer in reversed(row.is_answer):
        if not is_answer:
            if count:
                break
            continue
        count += 1
    return count
