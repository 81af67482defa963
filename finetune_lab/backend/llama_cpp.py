"""llama.cpp in this process, on the GGUF export of what was trained."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from pydantic import NonNegativeInt, PositiveInt

from finetune_lab.errors import WorldError
from finetune_lab.fingerprint import file_digest
from finetune_lab.inference.backends import Served
from finetune_lab.plugin import plugin
from finetune_lab.protocols import Chat
from finetune_lab.records import Answer, Decoding, Message


@plugin
class LlamaCpp:
    """`file` null takes the line's own export. `cache` is the precision of keys and values, `threads` null its choice.

    Prompts are tokenised by our own tokenizer and template, so both programs read the same tokens. One text at a
    time is written; how random draws fall is llama.cpp's own affair, so only greedy texts can be compared.
    """

    file: Path | None
    context_tokens: PositiveInt
    cache: Literal["f32", "f16"]
    threads: PositiveInt | None
    gpu_layers: NonNegativeInt

    def identity(self) -> dict[str, Any]:
        """All knobs; the file by its content."""
        kept = {name: getattr(self, name) for name in type(self).__dataclass_fields__}
        return kept | {"file": None if self.file is None else file_digest(self.file)}

    def check(self) -> None:
        """Raise WorldError where the package or the file is missing."""
        if find_spec("llama_cpp") is None:
            raise WorldError(
                "llama.cpp is not installed: pip install 'finetune-lab[llama_cpp]' (it is compiled from source: a C++ "
                "compiler and CMake, some ten minutes on two cores)"
            )
        if self.file is not None and not self.file.is_file():
            raise WorldError(f"there is no file {self.file}")

    @contextmanager
    def open(self, served: Served, runtime: Any) -> Iterator["_Llama"]:
        """The file, loaded for the length of a `with`."""
        import llama_cpp

        kind = {"f32": llama_cpp.GGML_TYPE_F32, "f16": llama_cpp.GGML_TYPE_F16}[self.cache]
        model = llama_cpp.Llama(
            model_path=str(self.file or served.gguf()),
            n_ctx=self.context_tokens,
            n_threads=self.threads or runtime.threads,
            n_threads_batch=self.threads or runtime.threads,
            n_gpu_layers=self.gpu_layers,
            type_k=kind,
            type_v=kind,
            verbose=False,
        )
        try:
            yield _Llama(model, served.chat())
        finally:
            model.close()


class _Llama:
    local = True

    def __init__(self, model: Any, chat: Chat) -> None:
        self.model = model
        self._chat = chat
        told: Any = chat
        self._ends = {*told.end_tokens, told.tokenizer.eos_token_id}

    def generate(
        self, prompts: Mapping[str, Sequence[Message]], decoding: Decoding, *, at_once: int
    ) -> Iterator[Answer]:
        return (self._answer(name, self._chat.prompt(turns), decoding) for name, turns in prompts.items())

    def _answer(self, name: str, prompt: list[int], decoding: Decoding) -> Answer:
        self.model.set_seed(decoding.seed)
        written: list[int] = []
        ended = False
        for token in self.model.generate(
            prompt,
            temp=decoding.temperature,
            top_p=decoding.top_p,
            top_k=decoding.top_k,
            min_p=0.0,
            repeat_penalty=decoding.repetition_penalty,
        ):
            ended = token in self._ends
            if not ended:
                written.append(token)
            if ended or len(written) >= decoding.max_new_tokens:
                break
        return Answer(
            sample=name,
            text=self._chat.decode(written),
            num_prompt_tokens=len(prompt),
            num_tokens=len(written),
            finish="end" if ended else "length",
        )
