"""Serve what was trained behind an OpenAI-compatible address."""

import ipaddress
import logging
import os
import socket
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, NonNegativeFloat, PositiveInt

from finetune_lab.errors import ConfigError, WorldError
from finetune_lab.inference.clients.keys import check_variable
from finetune_lab.inference.trained import Bare, adapter_folder, check_trained, opened
from finetune_lab.lab import Lab
from finetune_lab.once import read_note
from finetune_lab.plugin import plugin
from finetune_lab.records import Artifact, Decoding

log = logging.getLogger(__name__)
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]"})


@plugin
class Serve:
    """The base is served as `base`, what this line has trained under its label, `adapters` under their names."""

    host: str
    port: Annotated[int, Field(ge=0, lt=65536)]
    api_key_env: str | None
    adapters: Mapping[str, str]
    decoding: Decoding
    max_rows: PositiveInt
    max_waiting: PositiveInt
    max_total_tokens: PositiveInt | None
    max_body_bytes: PositiveInt
    shutdown_seconds: NonNegativeFloat

    def __post_init__(self) -> None:
        check_variable("task.api_key_env", self.api_key_env)
        if self.api_key_env is None and not _is_loopback(self.host):
            raise ConfigError(
                f"task.host: {self.host} can be reached from other machines, so it needs a key: "
                "task.api_key_env=NAME names the environment variable that holds it"
            )

    def execute(self, lab: Lab) -> None:
        key = self._key()
        if find_spec("uvicorn") is None or find_spec("starlette") is None:
            raise WorldError("task=serve needs uvicorn and starlette: pip install 'finetune-lab[serve]'")
        folders = self._folders(lab)
        lab.model.check(lab.runtime)
        with _listening(self.host, self.port) as listener:
            self._serve(lab, folders, key, listener)

    def _serve(self, lab: Lab, folders: Mapping[str, Path | None], key: str | None, listener: socket.socket) -> None:
        import uvicorn

        from finetune_lab.inference.adapters import loaded
        from finetune_lab.inference.serving.app import Offered, Server, Settings
        from finetune_lab.inference.serving.worker import Worker

        engine: Any = lab.language_model
        with ExitStack() as stack:
            adapters = stack.enter_context(loaded(engine, {name: place for name, place in folders.items() if place}))
            worker = Worker(engine, adapters, max_rows=self.max_rows, max_waiting=self.max_waiting)
            chats = _chats(engine, folders, lab.artifact, stack)
            settings = Settings(
                models={
                    name: Offered(adapter=name if folders.get(name) else None, chat=chat)
                    for name, chat in chats.items()
                },
                decoding=self.decoding,
                max_total_tokens=self.max_total_tokens or engine.module.config.max_position_embeddings,
                max_body_bytes=self.max_body_bytes,
                key=key,
                hosts=_LOOPBACK if _is_loopback(self.host) else None,
            )
            config = uvicorn.Config(
                Server(settings, worker).app(),
                log_level="error",
                access_log=False,  # who asked what is nobody's affair
                timeout_graceful_shutdown=max(1, round(self.shutdown_seconds)),
            )
            log.info("serving   http://%s:%d/v1", self.host, listener.getsockname()[1])
            log.info("models    %s", ", ".join(settings.models))
            with suppress(KeyboardInterrupt):  # what it was stopped by, raised again behind the clean end
                uvicorn.Server(config).run(sockets=[listener])
            log.info("stopped")

    def _key(self) -> str | None:
        if self.api_key_env is None:
            return None
        key = os.environ.get(self.api_key_env, "").strip()
        if not key:
            raise WorldError(f"the environment variable {self.api_key_env} is not set; it should hold the server's key")
        return key

    def _folders(self, lab: Lab) -> dict[str, Path | None]:
        """The adapters by name; what this line would train is among them where it is trained already.

        None for what it has left instead of an adapter: another way of asking the same weights.
        """
        found: dict[str, Path | None] = {name: self._folder(lab, wanted) for name, wanted in self.adapters.items()}
        own = lab.artifact
        if read_note(own.place) is not None:
            with opened(own, Bare()) as asked:
                found.setdefault(own.label, adapter_folder(own) if asked.chat is None else None)
        elif not found:
            log.info("nothing is trained at %s: the base alone is served", own.folder)
        if "base" in found:
            raise ConfigError("task.adapters: base is the name of the model without adapters")
        return found

    @staticmethod
    def _folder(lab: Lab, wanted: str) -> Path:
        path = Path(wanted)
        if not path.is_dir():
            row = lab.store.find(wanted)
            if row.base != lab.base.key:
                raise ConfigError(f"task.adapters: the run {row.key} is of another model ({row.model}) or precision")
            artifact = Artifact(key=row.key, label=row.label, folder=row.folder, maker=lab.method)
            check_trained(artifact)
            path = adapter_folder(artifact)
        if not (path / "adapter_config.json").is_file():
            raise WorldError(f"task.adapters: {path} is no folder in PEFT's form")
        return path


def _chats(engine: Any, folders: Mapping[str, Path | None], artifact: Artifact, stack: ExitStack) -> dict[str, Any]:
    """The chat of every model that is served; that of the artifact which is no adapter stays open with `stack`."""
    bare = Bare(chat=engine.chat, module=engine.module)
    own = {
        name: engine.chat if place else stack.enter_context(opened(artifact, bare)).chat
        for name, place in folders.items()
    }
    return {"base": engine.chat, **own}


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise WorldError(f"cannot listen on {host}:{port} ({error.strerror}); choose another with task.port") from None
