"""A model of the Hugging Face hub, pinned to the commit that it is found at."""

import os
import shutil
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal

from finetune_lab.errors import WorldError
from finetune_lab.inference.checkpoint import Checkpoint, template_text
from finetune_lab.planning.shape import Shape, shape_of
from finetune_lab.plugin import plugin
from finetune_lab.protocols import Chat, LanguageModel, Runtime

_TIMEOUT_SECONDS = 5.0


@plugin
class Hub:
    """`repo` and `revision` name the model; `num_billions` its size in 10^9 parameters, for the check before a start.

    `trust_remote_code` runs the repository's own Python and is off unless switched on by name.
    """

    repo: str
    revision: str
    quantization: Literal["nf4", "int8", "none"]
    precision: Literal["auto", "float32", "bfloat16", "float16"]
    projections: tuple[str, ...]
    template: str | None
    template_options: Mapping[str, Any]
    trust_remote_code: bool
    num_billions: float | None

    def identity(self) -> dict[str, Any]:
        return {
            "repo": self.repo,
            "commit": self.commit(),
            "quantization": self.quantization,
            "projections": self.projections,
            "template": template_text(self.template),
            "template_options": self.template_options,
        }

    def tokenizer_digest(self) -> str:
        return f"{self.repo}@{self.commit()} {template_text(self.template)} {sorted(self.template_options.items())}"

    def commit(self) -> str:
        """The commit that `revision` stands for; from the local cache where the hub is out of reach."""
        return _commit(self.repo, self.revision)

    def check(self, runtime: Runtime) -> None:
        """Raise WorldError for a model that cannot be had or cannot run here: reason and remedy."""
        device = runtime.resolved_device()
        if device == "cpu" and (self.num_billions or 0) > 3:
            raise WorldError(
                f"{self.repo} has {self.num_billions:g} billion parameters and this machine shows no GPU; "
                "use a machine with one, or model=tiny to try the line here (runtime.device=cpu does not help)"
            )
        self.commit()
        need = 2e9 * (self.num_billions or 0)
        cache_folder = Path(os.environ.get("HF_HOME", Path.home() / ".cache" / "huggingface"))
        place = next(p for p in (cache_folder, *cache_folder.parents) if p.exists())
        free = shutil.disk_usage(place).free
        if not _cached(self.repo, self.commit()) and free < need:
            raise WorldError(
                f"{self.repo} takes about {need / 1e9:.0f} GB and {place} has {free / 1e9:.0f} GB free; "
                "set HF_HOME to a larger disk"
            )

    def shape(self) -> Shape | None:
        """Its matrices, by what the cache or the hub has of it; out of reach, a typical model of `num_billions`."""
        return shape_of(_description(self.repo, self.revision), self.projections, self.num_billions)

    def load(self, runtime: Runtime) -> LanguageModel:
        from finetune_lab.inference.loading import load_engine

        return load_engine(self._checkpoint(runtime.precision(self.precision)), runtime)

    def chat(self) -> Chat:
        """The tokenizer with its template, without the weights."""
        from finetune_lab.inference.loading import load_chat

        return load_chat(self._checkpoint("float32"))

    def _checkpoint(self, precision: str) -> Checkpoint:
        return Checkpoint(
            source=self.repo,
            revision=self.commit(),
            quantization=self.quantization,
            precision=precision,
            template=template_text(self.template),
            template_options=self.template_options,
            trust_remote_code=self.trust_remote_code,
        )


@cache
def _commit(repo: str, revision: str) -> str:
    """Ask the hub, then the cache. Raises WorldError that tells gated, unknown and unreachable apart."""
    if len(revision) == 40 and all(c in "0123456789abcdef" for c in revision):
        return revision
    from huggingface_hub import HfApi
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, RepositoryNotFoundError, RevisionNotFoundError

    try:
        found = HfApi().model_info(repo, revision=revision, timeout=_TIMEOUT_SECONDS).sha
        assert found is not None
        return found
    except GatedRepoError:
        raise WorldError(
            f"{repo} is gated: accept its licence on its page at the hub, then set HF_TOKEN to a token of that account"
        ) from None
    except RevisionNotFoundError:
        raise WorldError(f"{repo} has no revision {revision!r}") from None
    except RepositoryNotFoundError:
        raise WorldError(
            f"the hub shows no model {repo}: check the name; if it is private or gated, set HF_TOKEN"
        ) from None
    except (HfHubHTTPError, OSError, ValueError, RuntimeError) as error:
        return _from_cache(repo, revision, error)
    except Exception as error:
        if type(error).__module__.partition(".")[0] in ("httpx", "httpcore", "httpx2", "requests"):
            return _from_cache(repo, revision, error)
        raise


def _from_cache(repo: str, revision: str, error: Exception) -> str:
    ref = _repo_cache(repo) / "refs" / revision
    if ref.is_file():
        return ref.read_text().strip()
    token = "" if os.environ.get("HF_TOKEN") else ", and no HF_TOKEN is set"
    raise WorldError(
        f"{repo} is not in the local cache and the hub cannot be reached ({type(error).__name__}){token}; "
        "connect, or download it on another machine and use model=local model.path=FOLDER"
    ) from None


def _description(repo: str, revision: str) -> Path | None:
    """The folder with config.json and, once it was loaded here, the weights; None out of reach."""
    try:
        commit = _commit(repo, revision)
    except WorldError:
        return None
    folder = _repo_cache(repo) / "snapshots" / commit
    if (folder / "config.json").is_file():
        return folder
    from huggingface_hub import hf_hub_download

    try:
        return Path(hf_hub_download(repo, "config.json", revision=commit, etag_timeout=_TIMEOUT_SECONDS)).parent
    except Exception:  # gated, offline, none there: its size alone is known, and the plan says so
        return None


def _cached(repo: str, commit: str) -> bool:
    return (_repo_cache(repo) / "snapshots" / commit).is_dir()


def _repo_cache(repo: str) -> Path:
    from huggingface_hub.constants import HF_HUB_CACHE

    return Path(HF_HUB_CACHE) / f"models--{repo.replace('/', '--')}"
