"""Rows that are like one another share a split, and rows that come later move none of those that were there."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from finetune_lab.preparing.splitting import SPLITS, Assigner, Split
from finetune_lab.records import Sample


@dataclass(frozen=True, kw_only=True)
class Settled:
    """Samples by split, under the group of their family and named by their final content; and the others, each with
    its reason.
    """

    splits: Mapping[str, tuple[Sample, ...]]
    fallen: tuple[tuple[Sample, str], ...]


def settle(
    samples: Sequence[Sample],
    split: Split,
    *,
    keys: Mapping[str, tuple[str, ...]] | None = None,
    changed: Collection[str] = (),
    strata: Mapping[str, str] | None = None,
) -> Settled:
    """Put every sample into a split, and into the group of the first earlier one that it must share a split with.

    That is one of its own group, or one that shares any of its `keys` (by sample id). Only what stands earlier decides,
    so rows added at the end move none of the old ones. A row that is tied to rows of different splits falls out: to
    keep it in either would leak. `changed`: the ids of samples that are no longer what they are named after. `strata`:
    by sample id, where the split has some.
    """
    assigner = Assigner(split=split)
    heads: dict[str, str] = {}  # a group or a key -> the group of its family
    splits: dict[str, list[Sample]] = {name: [] for name in SPLITS}
    names_taken: set[str] = set()
    fallen: list[tuple[Sample, str]] = []
    for sample in samples:
        names = (sample.group, *(keys or {}).get(sample.id, ()))
        found = [heads[name] for name in names if name in heads]
        if len({assigner.where(head) for head in found}) > 1:
            fallen.append((sample, "tied to rows of two splits"))
            continue
        head = found[0] if found else sample.group
        heads.update({name: heads.get(name, head) for name in names})
        settled = sample
        if head != sample.group or sample.id in changed:
            settled = Sample.of(messages=sample.messages, text=sample.text, group=head, facts=sample.facts)
        if settled.id in names_taken:
            fallen.append((sample, "stands twice"))
            continue
        names_taken.add(settled.id)
        splits[assigner.take(head, (strata or {}).get(sample.id, ""))].append(settled)
    return Settled(splits={name: tuple(rows) for name, rows in splits.items()}, fallen=tuple(fallen))
