"""The longest batch through the training itself, in a process of its own."""

from dataclasses import dataclass, replace
from typing import Any

import pytest

from finetune_lab.planning.measuring import chosen_rows, measure, rehearse
from finetune_lab.task.plan_ready import prepared

SHORT = ("data.max_rows=60", "method.batch_size=2", "method.accumulation=2", "method.max_steps=12")


def test_the_longest_pass_and_usual_updates_are_chosen(lab):
    outline = lab(*SHORT).method.outline()
    lengths = [10 + (37 * n) % 90 for n in range(60)]
    every, longest, usual = chosen_rows(lengths, outline, seed=0, num_usual=3)
    assert len(every) == 12
    assert max(longest.cells) == max(max(one.cells) for one in every)
    sizes, kept = sorted(sum(one.cells) for one in every), [sum(one.cells) for one in usual]
    assert kept == sorted(kept)
    assert sizes[0] < sum(kept) / 3 < sizes[-1]


@dataclass(frozen=True)
class Broken:
    """A model that cannot even say what it is."""

    @property
    def quantization(self) -> str:
        raise ValueError("nothing can be\n rehearsed here")


@pytest.fixture
def request_of(lab):
    def make(*overrides: str) -> Any:
        made = lab(*SHORT, "runtime.device=cpu", *overrides)
        ready = prepared(made, None, 2)
        assert ready.request is not None
        return ready

    return make


def test_a_rehearsal_measures_memory_and_time(request_of):
    ready = request_of("method=lora", "model.quantization=none")
    found = rehearse(ready.request)
    assert found.failure is None
    assert found.peak_bytes >= found.loaded_bytes > 0
    assert len(found.timed) == 3  # one of two steps of the longest, two usual ones behind the first
    assert found.timed[0].cells == max(sum(one.cells) for one in ready.updates if one.rows == _rows_of(ready))
    assert all(one.seconds > 0 for one in found.timed)
    assert found.scoring_seconds_per_token > 0
    assert found.writing_seconds_per_step > 0


def _rows_of(ready: Any) -> tuple[int, ...]:
    return max(ready.updates, key=lambda one: max(one.cells)).rows


def test_what_fails_in_the_other_process_is_told_here(request_of):
    found = measure(replace(request_of().request, model=Broken()))
    assert found.failure == "ValueError: nothing can be rehearsed here"
