"""Datasets of the Hugging Face hub, pinned to the commit that they are found at."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path

from finetune_lab.errors import WorldError
from finetune_lab.preparing.reading import Row

_TIMEOUT_SECONDS = 5.0


@cache
def dataset_commit(repo: str, revision: str) -> str:
    """The commit that `revision` stands for; from the local cache where the hub is out of reach.

    Raises WorldError that tells gated, unknown and unreachable apart.
    """
    if len(revision) == 40 and all(sign in "0123456789abcdef" for sign in revision):
        return revision
    from huggingface_hub import HfApi
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

    try:
        found = HfApi().dataset_info(repo, revision=revision, timeout=_TIMEOUT_SECONDS).sha
    except GatedRepoError:
        raise WorldError(f"{repo} is gated: accept its terms on its page at the hub, then set HF_TOKEN") from None
    except RevisionNotFoundError:
        raise WorldError(f"{repo} has no revision {revision!r}") from None
    except RepositoryNotFoundError:
        raise WorldError(f"the hub shows no dataset {repo}: check the name; if it is private, set HF_TOKEN") from None
    except Exception as error:
        family = type(error).__module__.partition(".")[0]
        if isinstance(error, (OSError, ValueError, RuntimeError)) or family in ("httpx", "httpcore", "requests"):
            return _from_cache(repo, revision, error)
        raise
    assert found is not None
    return found


def _from_cache(repo: str, revision: str, error: Exception) -> str:
    from huggingface_hub.constants import HF_HUB_CACHE

    ref = Path(HF_HUB_CACHE) / f"datasets--{repo.replace('/', '--')}" / "refs" / revision
    if ref.is_file():
        return ref.read_text().strip()
    raise WorldError(
        f"{repo} is not in the local cache and the hub cannot be reached ({type(error).__name__}); "
        "connect, or copy its files to a folder and name that (folder=FOLDER)"
    ) from None


def hub_rows(repo: str, commit: str, split: str) -> Iterator[Row]:
    """The rows of one split of a dataset at a commit; downloads on first use."""
    from datasets import load_dataset

    for number, fields in enumerate(load_dataset(repo, revision=commit, split=split), start=1):
        yield Row(fields=dict(fields), place=f"{repo}@{commit[:8]}, {split} row {number}")
