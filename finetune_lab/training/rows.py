"""Token rows to tensors."""

from collections.abc import Sequence

import torch
from torch import Tensor

from finetune_lab.records import Tokens

IGNORED = -100  # what PyTorch's cross entropy leaves out


def collate(rows: Sequence[Tokens]) -> dict[str, Tensor]:
    """Right-padded input_ids and labels [rows, longest]; labels are IGNORED where nothing is learned.

    No attention mask: under a causal mask nothing that counts looks at the padding behind it, and without a mask
    the attention takes its fast path. The first token has nothing before it and is never a label.
    """
    width = max(len(row.ids) for row in rows)
    ids = torch.zeros(len(rows), width, dtype=torch.long)
    labels = torch.full((len(rows), width), IGNORED, dtype=torch.long)
    for number, row in enumerate(rows):
        tokens = torch.tensor(row.ids)
        ids[number, : len(row.ids)] = tokens
        labels[number, : len(row.ids)] = torch.where(torch.tensor(row.targets), tokens, IGNORED)
    labels[:, 0] = IGNORED
    return {"input_ids": ids, "labels": labels}
