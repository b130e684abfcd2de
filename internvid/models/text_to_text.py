"""Language models that turn a text into another: T5-type, and causal ones with a chat template."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from internvid.core.timings import count, stage
from internvid.models.generated_texts import Generated, read_out
from internvid.models.pretrained import TEXT_TO_TEXT, Checkpoint, Pretrained, load


@dataclass(frozen=True)
class TextToText:
    """One loaded language model. Deterministic: greedy, or beams without sampling.

    T5-type models get the text itself; causal ones get it as the user's turn of their chat
    template (or as it is, where they have none). Texts run in batches of similar length. A text
    longer than `maximum_input_tokens` loses its end.

    Attributes:
        checkpoint: which model.
        maximum_tokens: most tokens of an answer.
        maximum_input_tokens: most tokens of a text.
        batch_tokens: most tokens of a batch, padding included.
        beams: 1 for greedy decoding.
    """

    checkpoint: Checkpoint
    maximum_tokens: int = 80
    maximum_input_tokens: int = 512
    batch_tokens: int = 4096
    beams: int = 1
    _loaded: list[Pretrained] = field(default_factory=list, repr=False, compare=False)

    def open(self) -> Pretrained:
        """Load the model; see `internvid.models.pretrained.load` for what it raises."""
        if not self._loaded:
            self._loaded.append(load(self.checkpoint, TEXT_TO_TEXT))
        return self._loaded[0]

    def rewrite(self, texts: Sequence[str]) -> list[Generated]:
        """One answer per text, in order."""
        loaded = self.open()
        tokens = [self._tokens(loaded, text) for text in texts]
        generated: list[Generated] = [Generated("")] * len(texts)
        for batch in _buckets(tokens, self.batch_tokens):
            answers = self._write(loaded, [tokens[at] for at in batch])
            for at, answer in zip(batch, answers, strict=True):
                generated[at] = answer
        return generated

    def _tokens(self, loaded: Pretrained, text: str) -> list[int]:
        tokenizer = loaded.processor
        longest = self.maximum_input_tokens
        if loaded.model.config.is_encoder_decoder:
            tokens: list[int] = tokenizer(text, truncation=True, max_length=longest)["input_ids"]
            return tokens
        kept = tokenizer(text, add_special_tokens=False)["input_ids"]
        if len(kept) > longest:
            text = tokenizer.decode(kept[:longest])
        if not tokenizer.chat_template:
            plain: list[int] = tokenizer(text)["input_ids"]
            return plain
        templated = tokenizer.apply_chat_template(
            [{"role": "user", "content": text}], tokenize=False, add_generation_prompt=True
        )
        # The template writes the special tokens itself.
        whole: list[int] = tokenizer(templated, add_special_tokens=False)["input_ids"]
        return whole

    def _write(self, loaded: Pretrained, rows: Sequence[list[int]]) -> list[Generated]:
        import torch

        tokenizer, causal = loaded.processor, not loaded.model.config.is_encoder_decoder
        width = max(1, *(len(row) for row in rows)) if len(rows) > 1 else max(1, len(rows[0]))
        ids = torch.full((len(rows), width), tokenizer.pad_token_id, dtype=torch.long)
        mask = torch.zeros((len(rows), width), dtype=torch.long)
        for at, row in enumerate(rows):
            # Answers of causal models are written at the right end, so these end there.
            span = slice(width - len(row), width) if causal else slice(0, len(row))
            ids[at, span] = torch.tensor(row, dtype=torch.long)
            mask[at, span] = 1
        with loaded.lock, torch.inference_mode(), stage("model"):
            inputs: dict[str, Any] = loaded.place({"input_ids": ids, "attention_mask": mask})
            sequences = loaded.model.generate(
                **inputs, max_new_tokens=self.maximum_tokens, num_beams=self.beams
            )
            generated = read_out(
                loaded.model, tokenizer, sequences, inputs["input_ids"] if causal else None
            )
        count("texts", len(rows))
        return generated


def _buckets(tokens: Sequence[Sequence[int]], batch_tokens: int) -> Iterator[list[int]]:
    """Positions in batches of similar length, longest first: what does not fit shows at once."""
    order = sorted(range(len(tokens)), key=lambda at: (-len(tokens[at]), at))
    batch: list[int] = []
    for at in order:
        # The first of a batch is its longest, so it sets the width.
        if batch and (len(batch) + 1) * max(1, len(tokens[batch[0]])) > batch_tokens:
            yield batch
            batch = []
        batch.append(at)
    if batch:
        yield batch
