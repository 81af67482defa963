"""A training on record from its first second, so that one that failed or was killed is listed too."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from finetune_lab.once import held, put_aside, write_atomically
from finetune_lab.records import RunCard
from finetune_lab.store.store import Store


@contextmanager
def on_record(folder: Path, card: RunCard, store: Store) -> Iterator[None]:
    """Note in `folder` and `store` that the run has begun and, where it does, how it failed."""
    write_atomically(folder / "card.json", json.dumps(asdict(card) | {"started": time.time()}, indent=2))
    (folder / "failed.json").unlink(missing_ok=True)
    store.index_run(folder)
    store.set_status(card.key, "running")
    try:
        yield
    except BaseException as error:
        failure = f"{type(error).__name__}: {error}"
        write_atomically(folder / "failed.json", json.dumps({"error": failure, "time": time.time()}))
        store.set_status(card.key, "failed", failure)
        raise


def put_results_aside(outputs: Path, subject: str) -> None:
    """Rename answers and evaluations of an artifact that is about to be made again to `<folder>.1` and so on."""
    for folder in (*outputs.glob(f"answers/*/{subject}"), *outputs.glob(f"evals/*/{subject}")):
        with held(folder):
            put_aside(folder)
