"""Long documents in windows that a model can take, every token scored once."""

from collections.abc import Iterator

from finetune_lab.records import Tokens


def rolling(row: Tokens, *, window: int, context: int) -> Iterator[Tokens]:
    """Cut `row` (whose first token is the prefix) so that a window predicts up to `window` tokens.

    The first window predicts its tokens from the prefix on; every later one sees at least `context` tokens before
    its first target, as in lm-evaluation-harness' rolling log-likelihood. Each target of `row` is a target once.
    """
    assert 1 <= context <= window, "context must lie between 1 and the window"
    done = 1  # the prefix is given, not predicted
    while done < len(row.ids):
        fresh = window if done == 1 else window - context + 1
        end = min(done + fresh, len(row.ids))
        start = max(0, end - window - 1)
        targets = (False,) * (done - start) + row.targets[done:end]
        yield Tokens(sample=row.sample, ids=row.ids[start:end], targets=targets)
        done = end
