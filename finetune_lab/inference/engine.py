"""The one engine: a loaded model that scores and writes, in batches, with adapters switched over one load."""

import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from finetune_lab.inference.batching import batches
from finetune_lab.inference.hidden import POOLS, Pool, pooled_states
from finetune_lab.inference.sampling import RowSampler
from finetune_lab.inference.targets import TargetLogits
from finetune_lab.progress import track
from finetune_lab.records import Answer, Decoding, Message, Nll, Tokens
from finetune_lab.text.chat import Chat

log = logging.getLogger(__name__)
_MAX_LOGIT_BYTES = 2**30  # logits of one scoring batch, in float32


class Engine:
    """A causal language model with its chat. `module` is the Transformers model; training borrows it."""

    def __init__(
        self, *, module: nn.Module, chat: Chat, device: str, max_batch_rows: int, max_batch_tokens: int
    ) -> None:
        self.module: Any = module
        self.chat = chat
        self.device = device
        self._max_rows = max_batch_rows
        self._max_tokens = max_batch_tokens
        self._targets = TargetLogits(module)
        self._adapter: Path | None = None

    @contextmanager
    def as_base(self) -> Iterator["Engine"]:
        """The model without any adapter."""
        assert self._adapter is None, "an adapter is still switched on"
        yield self

    @contextmanager
    def with_adapter(self, folder: Path) -> Iterator["Engine"]:
        """The model with the PEFT adapter in `folder`; the weights below it stay as they are, and bare afterwards."""
        if self._adapter == folder:  # already on, further out
            yield self
            return
        from peft import PeftModel

        assert self._adapter is None, "another adapter is still switched on"
        tuned = PeftModel.from_pretrained(self.module, str(folder), is_trainable=False)
        tuned.eval()
        self._adapter = folder
        try:
            yield self
        finally:
            self._adapter = None
            tuned.unload()

    @torch.no_grad()
    def nll(self, rows: Sequence[Tokens]) -> list[Nll]:
        """Score the targets of every row, in the order of `rows`; losses in float32 per token, added up in float64."""
        vocabulary = self.module.get_output_embeddings().weight.shape[0]
        budget = min(self._max_tokens, max(1, _MAX_LOGIT_BYTES // (4 * vocabulary)))
        found: dict[int, Nll] = {}
        groups = list(batches([len(row.ids) for row in rows], max_rows=self._max_rows, max_tokens=budget))
        for group in track(groups, "scoring"):
            for number, nll in zip(group, self._score([rows[n] for n in group]), strict=True):
                found[number] = nll
        return [found[number] for number in range(len(rows))]

    def _score(self, rows: Sequence[Tokens]) -> list[Nll]:
        width = max(len(row.ids) for row in rows)
        ids, mask = torch.zeros(len(rows), width, dtype=torch.long), torch.zeros(len(rows), width, dtype=torch.long)
        flat: list[int] = []
        targets: list[int] = []
        counts: list[int] = []
        for number, row in enumerate(rows):
            ids[number, : len(row.ids)] = torch.tensor(row.ids)
            mask[number, : len(row.ids)] = 1
            scored = [place for place in range(1, len(row.ids)) if row.targets[place]]
            flat += [number * width + place - 1 for place in scored]
            targets += [row.ids[place] for place in scored]
            counts.append(len(scored))
        positions = torch.tensor(flat, dtype=torch.long, device=self.device)  # without the type, none would be floats
        with self._targets.at(positions):
            inputs = ids.to(self.device), mask.to(self.device)
            logits = self.module(input_ids=inputs[0], attention_mask=inputs[1], use_cache=False).logits[0].float()
        due = torch.tensor(targets, dtype=torch.long, device=self.device)
        losses = nn.functional.cross_entropy(logits, due, reduction="none")
        sums = [part.double().sum().item() for part in losses.cpu().split(counts)]
        return [
            Nll(sample=row.sample, sum_nats=total, num_tokens=count)
            for row, total, count in zip(rows, sums, counts, strict=True)
        ]

    def hidden(self, prompts: Mapping[str, Sequence[Message]], pooling: str | Pool) -> Tensor:
        """Pooled states of every prompt: float32 [prompts, 1 + layers, width] on the CPU, in the order of `prompts`."""
        coded = [self.chat.prompt(turns) for turns in prompts.values()]
        groups = list(batches([len(row) for row in coded], max_rows=self._max_rows, max_tokens=self._max_tokens))
        pool = POOLS[pooling] if isinstance(pooling, str) else pooling
        parts = [
            pooled_states(self.module, [coded[n] for n in group], self.device, pool)
            for group in track(groups, "states")
        ]
        order = torch.tensor([number for group in groups for number in group])
        return torch.cat(parts)[order.argsort()]

    def generate(self, prompts: Mapping[str, Sequence[Message]], decoding: Decoding) -> Iterator[Answer]:
        """Answer every prompt; batches go from long prompts to short ones, and halve when memory runs out."""
        coded = {name: self.chat.prompt(turns) for name, turns in prompts.items()}
        names = list(coded)
        groups = batches(
            [len(coded[name]) for name in names],
            max_rows=self._max_rows,
            max_tokens=self._max_tokens,
            extra_tokens=decoding.max_new_tokens,
        )
        for group in track(list(groups), "answering"):
            yield from self._answer({names[n]: coded[names[n]] for n in group}, decoding)

    def _answer(self, prompts: Mapping[str, list[int]], decoding: Decoding) -> list[Answer]:
        """Answer one batch, in halves where it is larger than what has fitted."""
        if len(prompts) <= self._max_rows:
            answers = self._tried(prompts, decoding)
            if answers is not None:
                return answers
            torch.cuda.empty_cache()
            self._max_rows = math.ceil(len(prompts) / 2)
            log.info("memory   ran out at %d rows; going on with %d", len(prompts), self._max_rows)
        items, half = list(prompts.items()), math.ceil(len(prompts) / 2)
        return self._answer(dict(items[:half]), decoding) + self._answer(dict(items[half:]), decoding)

    def _tried(self, prompts: Mapping[str, list[int]], decoding: Decoding) -> list[Answer] | None:
        """None where memory ran out. Nothing is tried in the handler: the error holds on to what did not fit."""
        try:
            return self._written(prompts, decoding)
        except torch.OutOfMemoryError:
            if len(prompts) == 1:
                raise
            return None

    @torch.no_grad()
    def _written(self, prompts: Mapping[str, list[int]], decoding: Decoding) -> list[Answer]:
        ids, mask = self._left_padded(list(prompts.values()))
        written = self.module.generate(input_ids=ids, attention_mask=mask, **self._options(list(prompts), decoding))
        ends = self._ends()
        answers = []
        for (name, prompt), row in zip(prompts.items(), written[:, ids.shape[1] :].tolist(), strict=True):
            stop = next((place for place, token in enumerate(row) if token in ends), None)
            kept = row[:stop]
            answers.append(
                Answer(
                    sample=name,
                    text=self.chat.decode(kept),
                    num_prompt_tokens=len(prompt),
                    num_tokens=len(kept),
                    finish="length" if stop is None else "end",
                )
            )
        return answers

    def _left_padded(self, rows: list[list[int]]) -> tuple[Tensor, Tensor]:
        width = max(len(row) for row in rows)
        pad = self.chat.tokenizer.pad_token_id
        ids = torch.tensor([[pad] * (width - len(row)) + row for row in rows], device=self.device)
        mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows], device=self.device)
        return ids, mask

    def _ends(self) -> frozenset[int]:
        """What ends a text: the template's own end token, the tokenizer's EOS, and what the model's settings name."""
        named = self.module.generation_config.eos_token_id
        listed = named if isinstance(named, list) else [named]
        found = {*listed, self.chat.tokenizer.eos_token_id}
        if self.chat.template or getattr(self.chat.tokenizer, "chat_template", None):
            found |= self.chat.end_tokens
        return frozenset(token for token in found if token is not None)

    def _options(self, names: list[str], decoding: Decoding) -> dict[str, Any]:
        from transformers import GenerationConfig

        settings = GenerationConfig(
            max_new_tokens=decoding.max_new_tokens,
            do_sample=False,
            repetition_penalty=decoding.repetition_penalty,
            no_repeat_ngram_size=decoding.no_repeat_ngram,
            eos_token_id=sorted(self._ends()),
            pad_token_id=self.chat.tokenizer.pad_token_id,
        )
        sampled = decoding.temperature > 0
        processors = [RowSampler(decoding, names, self.device)] if sampled else []
        return {"generation_config": settings, "logits_processor": processors}
