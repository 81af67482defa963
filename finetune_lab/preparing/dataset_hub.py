"""Datasets of the Hugging Face hub, pinned to the commit that they are found at."""

import logging
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from finetune_lab.errors import DataError, WorldError
from finetune_lab.fingerprint import digest_of_files
from finetune_lab.preparing.licence import UNKNOWN, licence_beside
from finetune_lab.preparing.reading import Row

log = logging.getLogger(__name__)

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


def hub_rows(
    repo: str, commit: str | None, split: str, *, subset: str | None = None, streaming: bool = False
) -> Iterator[Row]:
    """The rows of one split of a dataset at a commit; downloads on first use, or reads as it comes (`streaming`).

    `repo` may be a folder with the files of one. Raises DataError for files that cannot be read, and WorldError for a
    split or a subset that there is not.
    """
    from datasets import load_dataset
    from datasets.exceptions import DatasetGenerationError, DatasetNotFoundError
    from pyarrow import ArrowException

    name = f"{repo}@{commit[:8]}" if commit else Path(repo).name
    try:
        rows = load_dataset(repo, subset, revision=commit, split=split, streaming=streaming)
        for number, fields in enumerate(rows, start=1):
            yield Row(fields=dict(fields), place=f"{name}, {split} row {number}")
    except (DatasetGenerationError, UnicodeDecodeError, ArrowException) as error:
        raise DataError(f"{name}: cannot be read ({_reason(error)})") from None
    except (DatasetNotFoundError, ValueError, FileNotFoundError, ConnectionError) as error:
        raise WorldError(f"{name}, split {split!r}: {_reason(error)}") from None


def _reason(error: BaseException) -> str:
    """The first line of what lies at the bottom of an error."""
    while error.__cause__ is not None:
        error = error.__cause__
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]


def licence(repo: str, commit: str) -> str:
    """The licence that the card of a dataset names; unknown where it has none, or the hub cannot be reached."""
    from huggingface_hub import hf_hub_download

    try:
        return licence_beside(Path(hf_hub_download(repo, "README.md", revision=commit, repo_type="dataset")))
    except Exception as error:  # the card is for people to read; whatever stands in its way must not stop the work
        log.info("licence  the card of %s was not read (%s)", repo, type(error).__name__)
        return UNKNOWN


def about(repo: str, revision: str, folder: Path | None) -> dict[str, Any]:
    """What the note says of a source: the dataset with its commit and licence, or the copy that stands for it."""
    if folder is not None:
        return {"source": folder.name, "commit": None, "licence": licence_beside(folder)}
    commit = dataset_commit(repo, revision)
    return {"source": repo, "commit": commit, "licence": licence(repo, commit)}


def copy_digest(folder: Path) -> str:
    """The digest of a copy of a dataset: of all its files with their names."""
    check_copy(folder)
    return digest_of_files(_files(folder), folder)


def check_copy(folder: Path) -> None:
    """Raise WorldError for a folder that holds no files."""
    if not folder.is_dir() or not _files(folder):
        raise WorldError(f"data.folder: {folder} is no folder with files of a data set")


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
