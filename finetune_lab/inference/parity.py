"""Whether two loaded models are one and the same: next tokens, distributions and texts, row by row."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from finetune_lab.inference.engine import Engine
from finetune_lab.records import Decoding, Message, Tokens

_CHUNK = 64  # positions whose distributions are held in float64 at once


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """One row, summed over its targets: on how many both models' first choices agree, and nats.

    `kl` is that of the candidate's distribution from the reference's.
    """

    sample: str
    num_tokens: int
    num_agreed: int
    kl: float
    reference_nats: float
    candidate_nats: float


def agreements(reference: Engine, candidate: Engine, rows: Sequence[Tokens]) -> list[Agreement]:
    """Both models on the same tokens, one row at a time; rows without targets are left out."""
    found = []
    for row in rows:
        places = [place - 1 for place in range(1, len(row.ids)) if row.targets[place]]
        if places:
            due = torch.tensor([row.ids[place + 1] for place in places])
            found.append(_agreement(row.sample, due, *(_logits(one, row, places) for one in (reference, candidate))))
    return found


def same_texts(
    reference: Engine, candidate: Engine, prompts: Mapping[str, Sequence[Message]], max_new_tokens: int
) -> dict[str, bool]:
    """Whether both write the same greedy text to each prompt."""
    decoding = Decoding(max_new_tokens=max_new_tokens)
    one, other = (
        {answer.sample: answer.text for answer in model.generate(prompts, decoding)} for model in (reference, candidate)
    )
    return {name: one[name] == other[name] for name in prompts}


@torch.no_grad()
def _logits(engine: Engine, row: Tokens, places: Sequence[int]) -> Tensor:
    """What the model expects behind these places of a row: [places, vocabulary], float32 on the CPU."""
    ids = torch.tensor([row.ids[:-1]], device=engine.device)
    kept = torch.tensor(places, device=engine.device)
    return engine.module(input_ids=ids, use_cache=False, logits_to_keep=kept).logits[0].float().cpu()


def _agreement(sample: str, due: Tensor, reference: Tensor, candidate: Tensor) -> Agreement:
    sums = torch.zeros(3, dtype=torch.float64)
    for chunk in torch.arange(len(due)).split(_CHUNK):
        one, other = (logits[chunk].double().log_softmax(-1) for logits in (reference, candidate))
        kl = (one.exp() * (one - other)).sum()
        paid = [-log.gather(1, due[chunk, None]).sum() for log in (one, other)]
        sums += torch.stack([kl, *paid])
    return Agreement(
        sample=sample,
        num_tokens=len(due),
        num_agreed=int((reference.argmax(-1) == candidate.argmax(-1)).sum()),
        kl=max(0.0, float(sums[0])),
        reference_nats=float(sums[1]),
        candidate_nats=float(sums[2]),
    )
