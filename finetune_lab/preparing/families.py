"""Rows that are like one another share a split, and rows that come later move none of those that were there."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from finetune_lab.preparing.splitting import Split
from finetune_lab.records import Sample


@dataclass(frozen=True, kw_only=True)
class Settled:
    """Samples under the group of their family, named by their final content; and the others, each with its reason."""

    samples: tuple[Sample, ...]
    fallen: tuple[tuple[Sample, str], ...]


def settle(
    samples: Sequence[Sample], likes: Mapping[str, str], split: Split, changed: Collection[str] = ()
) -> Settled:
    """Put every sample that is like an earlier one (`likes`: id -> id of the earlier) into the earlier one's group.

    Only what stands earlier decides, so rows added at the end move none of the old ones. A row whose own group and
    whose likeness name two families of different splits falls out: to keep it in either would leak. `changed`: the ids
    of samples that are no longer what they are named after.
    """
    heads: dict[str, str] = {}  # a row's group -> the group of its family
    family: dict[str, str] = {}  # a sample's id -> the group of its family
    kept: dict[str, Sample] = {}
    fallen: list[tuple[Sample, str]] = []
    for sample in samples:
        due = family.get(likes.get(sample.id, ""))
        head = heads.get(sample.group, due or sample.group)
        if due is not None and split.of(due) != split.of(head):
            fallen.append((sample, "like rows of two splits"))
            continue
        heads[sample.group] = family[sample.id] = head
        settled = sample
        if head != sample.group or sample.id in changed:
            settled = Sample.of(messages=sample.messages, text=sample.text, group=head, facts=sample.facts)
        if kept.setdefault(settled.id, settled) is not settled:
            fallen.append((sample, "stands twice"))
    return Settled(samples=tuple(kept.values()), fallen=tuple(fallen))

