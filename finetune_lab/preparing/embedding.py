"""Texts as vectors whose angle says how alike they are in meaning: by a sentence-embedding model, or without one."""

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path

from finetune_lab.errors import WorldError
from finetune_lab.fingerprint import digest_of_files
from finetune_lab.maths.blockwise import Vectors, unit_rows
from finetune_lab.text.latent import latent

_BATCH_ROWS = 64

Embedder = Callable[[Sequence[str]], Vectors]


def embedded(texts: Sequence[str], *, model: Path | None, device: str, width: int, seed: int) -> Vectors:
    """Unit rows [texts, width of the model]; without a model TF-IDF reduced to `width`, fitted on these texts."""
    if model is None:
        return unit_rows(latent(texts, width=width, seed=seed))
    return sentence_embedder(model, device)(texts)


def sentence_embedder(model: Path, device: str) -> Embedder:
    """The sentence-embedding model in a folder, loaded: texts -> unit rows [texts, width of the model]."""
    check_embedder(model)
    from sentence_transformers import SentenceTransformer

    loaded = SentenceTransformer(str(model), device=device, local_files_only=True, trust_remote_code=False)

    def embed(texts: Sequence[str]) -> Vectors:
        return unit_rows(loaded.encode(list(texts), batch_size=_BATCH_ROWS, show_progress_bar=False))

    return embed


def embedder_digest(model: Path) -> str:
    """What the model's folder holds, wherever it stands."""
    check_embedder(model)
    return digest_of_files(
        [path for path in model.rglob("*") if path.suffix in (".json", ".safetensors", ".txt", ".model")], model
    )


def check_embedder(model: Path) -> None:
    """Raise WorldError where `model` is no folder with a sentence-embedding model, or its library is missing."""
    if not (model / "modules.json").is_file():
        raise WorldError(
            f"there is no sentence-embedding model in {model} (a folder with modules.json, for instance from "
            "hf download sentence-transformers/all-MiniLM-L6-v2 --local-dir …); null takes TF-IDF instead"
        )
    if not any(model.rglob("*.safetensors")):
        raise WorldError(f"{model} has no .safetensors weights (pickled weights are not loaded)")
    if find_spec("sentence_transformers") is None:  # to load it takes seconds, and here it is only asked for
        raise WorldError("sentence embeddings need sentence-transformers: pip install 'finetune-lab[embeddings]'")
