"""A page on which anybody can ask base and tuned model side by side: a folder, ready for a Hugging Face Space."""

import json
import logging
import platform
import re
import shutil
from importlib import resources
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, NonNegativeInt, PositiveInt

from finetune_lab.checks.world import constraints
from finetune_lab.errors import ConfigError
from finetune_lab.fingerprint import fingerprint
from finetune_lab.inference.trained import adapter_folder, check_trained
from finetune_lab.lab import Lab
from finetune_lab.once import once, write_atomically
from finetune_lab.plugin import plugin
from finetune_lab.preparing.choice import RowChoice
from finetune_lab.records import Decoding, Sample
from finetune_lab.task.export import base_name
from finetune_lab.text.markdown import cell

log = logging.getLogger(__name__)
SPACE = "space"
_NEEDED = ("gradio", "torch", "transformers", "peft", "accelerate", "safetensors")
_ASSETS = resources.files("finetune_lab").joinpath("assets/demo_page")


@plugin
class DemoPage:
    """`title` and `about` stand at the head of the page; null: made of the names of model, method and data.

    `examples` are the first questions of `rows` to click on. `system`: a system message before every question; null:
    the one that all of these rows have, if they have one. `max_characters` of a question. `decoding` is what the knobs
    begin with; its max_new_tokens is the most that can be asked for.
    """

    title: str | None
    about: str | None
    rows: RowChoice
    examples: NonNegativeInt
    system: str | None
    max_characters: Annotated[int, Field(ge=1, le=100_000)]
    decoding: Decoding
    queue: PositiveInt

    def execute(self, lab: Lab) -> None:
        check_trained(lab.artifact)
        adapter_folder(lab.artifact)  # a method that leaves none is told before anything is loaded
        lab.model.check(lab.runtime)
        key = fingerprint(self, lab.artifact.key)
        folder = lab.outputs / "demo_pages" / f"{lab.artifact.place.name}-{key}"
        once(folder, lambda place: self._make(lab, place))
        log.info("page      %s", folder / SPACE)
        log.info("try it    python %s   (--check loads both models and stops)", folder / SPACE / "app.py")
        log.info("share it  hf upload OWNER/NAME %s --repo-type space", folder / SPACE)

    def _make(self, lab: Lab, folder: Path) -> dict[str, Any]:
        """Fill the folder anew; what an earlier attempt left goes first."""
        from finetune_lab.inference.exporting import write_adapter, write_chat

        space = folder / SPACE
        shutil.rmtree(space, ignore_errors=True)
        for name in ("adapter", "tokenizer"):
            (space / name).mkdir(parents=True)
        engine: Any = lab.language_model
        write_adapter(adapter_folder(lab.artifact), space / "adapter", base_name(lab))
        write_chat(engine.chat, space / "tokenizer")
        settings = self._settings(lab, engine) | {"base": _base(lab, engine, space)}
        write_atomically(space / "space.json", json.dumps(settings, indent=2, ensure_ascii=False))
        write_atomically(space / "app.py", _ASSETS.joinpath("app.py").read_text(encoding="utf-8"))
        write_atomically(space / "requirements.txt", _requirements(settings["base"]["quantization"]))
        write_atomically(space / "README.md", _readme(settings, base_name(lab), lab))
        return {"kind": "demo page", "subject": lab.artifact.key, "files": sorted(p.name for p in space.iterdir())}

    def _settings(self, lab: Lab, engine: Any) -> dict[str, Any]:
        rows = lab.rows(self)  # type: ignore[arg-type]
        title = self.title or f"{base_name(lab)} before and after {lab.names.method}"
        about = self.about or f"The same question to both models. Tuned on {lab.names.data}."
        return {
            "title": title,
            "title_markdown": cell(title),
            "about_markdown": cell(about),
            "labels": ["Base", f"Tuned: {lab.artifact.label}"],
            "system": self.system if self.system is not None else _system(rows),
            "template_options": dict(engine.chat.options),
            "end_tokens": sorted(engine.ends()),
            "decoding": vars(self.decoding),
            "examples": _questions(rows, self.max_characters)[: self.examples],
            "max_characters": self.max_characters,
            "queue": self.queue,
        }


def _base(lab: Lab, engine: Any, space: Path) -> dict[str, Any]:
    """Where the page finds the model: at the hub, at its commit, or, if it is of this machine alone, in the folder."""
    source: Any = lab.model
    known = {"quantization": source.quantization, "precision": lab.precision}
    if hasattr(source, "commit"):
        where = {"folder": None, "repository": source.repo, "revision": source.commit()}
        return known | where | {"trust_remote_code": source.trust_remote_code}
    place = Path(engine.module.config.name_or_path)
    weights = sorted(place.glob("*.safetensors"))
    if not weights:
        raise ConfigError(f"the base at {place} has no .safetensors weights to put beside the page")
    (space / "base").mkdir()
    named = [place / f"{name}.json" for name in ("config", "generation_config", "model.safetensors.index")]
    for path in (*weights, *(path for path in named if path.is_file())):
        shutil.copyfile(path, space / "base" / path.name)
    return known | {"folder": "base", "repository": None, "revision": None, "trust_remote_code": False}


def _system(rows: tuple[Sample, ...]) -> str | None:
    """The system message that all rows begin with."""
    said = {row.prompt[0]["content"] if row.prompt and row.prompt[0]["role"] == "system" else None for row in rows}
    return said.pop() if len(said) == 1 else None


def _questions(rows: tuple[Sample, ...], longest: int) -> list[str]:
    """What rows of one question ask, each once."""
    asked = [
        row.prompt[-1]["content"]
        for row in rows
        if [t["role"] for t in row.prompt if t["role"] != "system"] == ["user"]
    ]
    return list(dict.fromkeys(text for text in asked if text.strip() and len(text) <= longest))


def _requirements(quantization: str) -> str:
    """The versions that are here, else those that the tests pass with."""
    needed = (*_NEEDED, "bitsandbytes") if quantization != "none" else _NEEDED
    return "".join(f"{name}=={_version(name)}\n" for name in needed)


def _version(name: str) -> str:
    try:
        return version(name).partition("+")[0]
    except PackageNotFoundError:
        return constraints()[name]


def _readme(settings: dict[str, Any], base: str, lab: Lab) -> str:
    """The page of the Space, with the header by which the hub runs it."""
    plain = re.sub(r"[^\w .,:()+-]", " ", settings["title"])[:100]
    python = ".".join(platform.python_version_tuple()[:2])
    repository = settings["base"]["repository"]
    header = [
        f"title: {json.dumps(plain, ensure_ascii=False)}",
        "sdk: gradio",
        f"sdk_version: {_version('gradio')}",
        f'python_version: "{python}"',
        "app_file: app.py",
        "colorFrom: indigo",
        "colorTo: gray",
        "pinned: false",
        *([f"models: [{json.dumps(repository)}]"] if repository else []),
    ]
    body = _ASSETS.joinpath("README.md").read_text(encoding="utf-8")
    about = {"title": settings["title_markdown"], "base": cell(base), "method": cell(lab.names.method)}
    about |= {"data": cell(lab.names.data), "key": lab.artifact.key}
    return "---\n" + "\n".join(header) + "\n---\n\n" + body.format(**about)
