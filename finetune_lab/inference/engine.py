"""The one engine: a loaded model that scores and writes, in batches, with adapters switched over one load."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from finetune_lab.inference.batching import Batcher
from finetune_lab.inference.cache import roomy_cache
from finetune_lab.inference.hidden import POOLS, Pool, pooled_states
from finetune_lab.inference.sampling import RowSampler
from finetune_lab.inference.targets import TargetLogits
from finetune_lab.records import Answer, Decoding, Message, Nll, Tokens
from finetune_lab.text.chat import Chat

_MAX_LOGIT_BYTES = 2**30  # logits of one scoring batch, in float32
_MAX_THREADS = 8  # that score batches side by side on a processor


class Engine:
    """A causal language model with its chat. `module` is the Transformers model; training borrows it."""

    def __init__(
        self, *, module: nn.Module, chat: Chat, device: str, max_batch_rows: int, max_batch_tokens: int
    ) -> None:
        self.module: Any = module
        self.chat = chat
        self.device = device
        self.batcher = Batcher(max_rows=max_batch_rows, max_tokens=max_batch_tokens)
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

    def nll(self, rows: Sequence[Tokens]) -> list[Nll]:
        """Score the targets of every row, in the order of `rows`; losses in float32 per token, added up in float64."""
        vocabulary = self.module.get_output_embeddings().weight.shape[0]
        found: dict[int, Nll] = {}
        scored = self.batcher.each(
            [len(row.ids) for row in rows],
            lambda group: self._score([rows[n] for n in group]),
            "scoring",
            max_tokens=max(1, _MAX_LOGIT_BYTES // (4 * vocabulary)),
            threads=min(_MAX_THREADS, torch.get_num_threads()) if self.device == "cpu" else 1,
        )
        for group, nlls in scored:
            found |= zip(group, nlls, strict=True)
        return [found[number] for number in range(len(rows))]

    @torch.no_grad()
    def _score(self, rows: Sequence[Tokens]) -> list[Nll]:
        """Padding stands on the right, where a causal model does not look from any target: no mask, which would cost
        the quick kernels. The last token of a row predicts nothing and is left out.
        """
        width = max(len(row.ids) for row in rows)
        ids, scored = torch.zeros(len(rows), width, dtype=torch.long), torch.zeros(len(rows), width, dtype=torch.bool)
        for number, row in enumerate(rows):
            ids[number, : len(row.ids)] = torch.tensor(row.ids)
            scored[number, : len(row.ids)] = torch.tensor(row.targets)
        scored = scored[:, 1:]  # by the position that predicts it; nothing predicts a first token
        counts = scored.sum(1).tolist()
        sums = [0.0] * len(rows)
        if sum(counts):
            losses = self._losses(ids[:, :-1], scored.reshape(-1).nonzero().squeeze(1), ids[:, 1:][scored])
            sums = [part.double().sum().item() for part in losses.split(counts)]
        return [
            Nll(sample=row.sample, sum_nats=total, num_tokens=count)
            for row, total, count in zip(rows, sums, counts, strict=True)
        ]

    def _losses(self, ids: Tensor, positions: Tensor, due: Tensor) -> Tensor:
        """What `due` costs at these flat positions of `ids`, on the CPU."""
        with self._targets.at(positions.to(self.device)):
            logits = self.module(input_ids=ids.to(self.device), use_cache=False).logits[0]
        return nn.functional.cross_entropy(logits.float(), due.to(self.device), reduction="none").cpu()

    def hidden(self, prompts: Mapping[str, Sequence[Message]], pooling: str | Pool) -> Tensor:
        """Pooled states of every prompt: float32 [prompts, 1 + layers, width] on the CPU, in the order of `prompts`."""
        coded = [self.chat.prompt(turns) for turns in prompts.values()]
        pool = POOLS[pooling] if isinstance(pooling, str) else pooling
        order: list[int] = []
        parts: list[Tensor] = []
        for group, states in self.batcher.each(
            [len(row) for row in coded],
            lambda group: pooled_states(self.module, [coded[n] for n in group], self.device, pool),
            "states",
        ):
            order += group
            parts.append(states)
        return torch.cat(parts)[torch.tensor(order).argsort()]

    def generate(self, prompts: Mapping[str, Sequence[Message]], decoding: Decoding) -> Iterator[Answer]:
        """Answer every prompt; batches go from long prompts to short ones."""
        coded = {name: self.chat.prompt(turns) for name, turns in prompts.items()}
        names = list(coded)
        for _, answers in self.batcher.each(
            [len(row) for row in coded.values()],
            lambda group: self._written({names[n]: coded[names[n]] for n in group}, decoding),
            "answering",
            extra_tokens=decoding.max_new_tokens,
        ):
            yield from answers

    @torch.no_grad()
    def _written(self, prompts: Mapping[str, list[int]], decoding: Decoding) -> list[Answer]:
        ids, mask = self._left_padded(list(prompts.values()))
        room = roomy_cache(self.module, ids.shape[1] + decoding.max_new_tokens)
        options = self._options(list(prompts), decoding) | ({"past_key_values": room} if room else {})
        written = self.module.generate(input_ids=ids, attention_mask=mask, **options)
        ends = self.ends()
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

    def ends(self) -> frozenset[int]:
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
            use_cache=True,
            repetition_penalty=decoding.repetition_penalty,
            no_repeat_ngram_size=decoding.no_repeat_ngram,
            eos_token_id=sorted(self.ends()),
            pad_token_id=self.chat.tokenizer.pad_token_id,
        )
        sampled = decoding.temperature > 0
        processors = [RowSampler(decoding, names, self.device)] if sampled else []
        return {"generation_config": settings, "logits_processor": processors}
