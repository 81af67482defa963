"""Weights & Biases: a W&B run for each run, under its key. A mirror: nothing depends on it, and it can be replayed."""

import http.client
import logging
import netrc
import os
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from typing import Annotated, Any, Literal

from pydantic import Field

from finetune_lab.errors import WorldError
from finetune_lab.plugin import plugin
from finetune_lab.protocols import Metrics, Session
from finetune_lab.records import RunCard

log = logging.getLogger(__name__)
Seconds = Annotated[float, Field(gt=0)]
# its console output would tear our progress bars; its own telemetry waits ten seconds for a server that is silent
_QUIET = {"WANDB_SILENT": "true", "WANDB_ERROR_REPORTING": "false"}


@plugin
class Wandb:
    """Sends runs to a W&B project.

    `mode` auto is online where a key is found (WANDB_API_KEY, or a login stored by `wandb login`), else offline.
    The first wait for a server is at most `init_timeout_seconds`, after which the run goes on offline; at the end
    the wait is at most `finish_timeout_seconds`. No trouble with W&B ever reaches the run.
    """

    project: Annotated[str, Field(min_length=1)]
    entity: str | None
    mode: Literal["auto", "online", "offline", "disabled"]
    init_timeout_seconds: Seconds
    finish_timeout_seconds: Seconds

    def check(self) -> None:
        """Raise WorldError when it must be online and there is no key."""
        if self.mode == "online" and not has_key():
            raise WorldError(
                "tracker.mode is online and there is no W&B key: set WANDB_API_KEY, run `wandb login`,"
                " or take tracker.mode=offline"
            )

    @contextmanager
    def session(self, card: RunCard, folder: Path) -> Iterator[Session]:
        """Follow the run of `card`; `folder` is the run's (outputs/runs/…) or outputs itself.

        W&B is imported, and writes below outputs/wandb, from the first call of the session on. An offline run that
        another process resumes leaves a second offline folder of the same id; task=sync sends both from the store.
        """
        outputs = folder.parent.parent if folder.parent.name == "runs" else folder
        run = _Run(self, card, outputs)
        try:
            yield run
        except BaseException:
            run.finish(exit_code=1)
            raise
        run.finish(exit_code=0)


class _Run:
    """One W&B run, opened at the first call. After a failure it says so once and stays silent."""

    def __init__(self, tracker: Wandb, card: RunCard, outputs: Path) -> None:
        self._tracker = tracker
        self._card = card
        self._outputs = outputs
        self._run: Any = None
        self._silent = tracker.mode == "disabled"

    def log(self, step: int, metrics: Metrics) -> None:
        # a step that the server has is dropped there: to replay a run adds only what is missing
        self._guarded(lambda run: run.log(dict(metrics), step=step))

    def summarise(self, metrics: Metrics) -> None:
        self._guarded(lambda run: run.summary.update(dict(metrics)))

    def table(self, name: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        def send(run: Any) -> None:
            import wandb

            run.log({name: wandb.Table(columns=list(columns), data=[[_cell(value) for value in row] for row in rows])})

        self._guarded(send)

    def chart(self, name: str, columns: tuple[str, str], rows: Sequence[Sequence[Any]]) -> None:
        def send(run: Any) -> None:
            import wandb

            bars = wandb.Table(columns=list(columns), data=[[_cell(value) for value in row] for row in rows])
            run.log({name: wandb.plot.bar(bars, *columns, title=name)})

        self._guarded(send)

    def files(self, name: str, kind: str, paths: Sequence[Path]) -> None:
        def send(run: Any) -> None:
            import wandb

            artifact = wandb.Artifact(name, type=kind)
            for path in paths:
                artifact.add_file(str(path))
            run.log_artifact(artifact)

        self._guarded(send)

    def page(self, title: str, lines: Sequence[str]) -> None:
        """The notes of the run; online a saved Report too, where the package wandb-workspaces is installed."""

        def send(run: Any) -> None:
            run.notes = "\n".join([title, *lines])
            if not run.offline and find_spec("wandb_workspaces") is not None:
                self._report(run, title, lines)

        self._guarded(send)

    def _report(self, run: Any, title: str, lines: Sequence[str]) -> None:
        """Save a Report; one that is not saved in time is given up: its client waits for a silent server for ever."""
        found: Queue[str | Exception] = Queue()

        def save() -> None:
            try:
                found.put(_save_report(run, title, lines))
            except Exception as error:  # told below, where the waiting is
                found.put(error)

        Thread(target=save, daemon=True).start()
        try:
            said = found.get(timeout=self._tracker.finish_timeout_seconds)
        except Empty:
            said = TimeoutError("no answer in time")
        if isinstance(said, Exception):
            log.warning("W&B has saved no Report (%s); the tables and charts are in the run", _short(said))
        else:
            log.info("W&B report  %s", said)

    def finish(self, exit_code: int) -> None:
        """End the run at W&B; one that has failed on the way is ended all the same, so that it does not stay open."""
        if self._run is not None:
            self._tried(lambda: self._run.finish(exit_code=exit_code))
        self._silent = True

    def _guarded(self, act: Callable[[Any], None]) -> None:
        def opened_and_done() -> None:
            if self._run is None:
                self._run = _open(self._tracker, self._card, self._outputs)
            act(self._run)

        if not self._silent:
            self._tried(opened_and_done)

    def _tried(self, act: Callable[[], None]) -> None:
        try:
            act()
        except Exception as error:  # whatever it is, a mirror must not end a training
            told = logging.DEBUG if self._silent else logging.WARNING
            log.log(told, "W&B has failed (%s); the run goes on, and task=sync sends it later", _short(error))
            self._silent = True


def _save_report(run: Any, title: str, lines: Sequence[str]) -> str:
    """Save a Report with these lines and the charts of the run's group; gives its address."""
    from wandb_workspaces.reports import v2

    runs = v2.Runset(project=run.project, entity=run.entity, name=run.group or "", filters=f"Group == {run.group!r}")
    text = [v2.P(text=line) for line in lines]  # text, not Markdown: labels are not ours
    blocks: list[Any] = [v2.H1(text=title), *text, v2.PanelGrid(runsets=[runs])]
    report = v2.Report(project=run.project, entity=run.entity, title=title, blocks=blocks)
    report.save()
    return str(report.url)


def has_key() -> bool:
    """Whether W&B could log in without asking: an API key in the environment, or one in the netrc file."""
    if os.environ.get("WANDB_API_KEY") or os.environ.get("WANDB_IDENTITY_TOKEN_FILE"):
        return True
    given = os.environ.get("NETRC")
    paths = [Path(given)] if given else [Path.home() / ".netrc", Path.home() / "_netrc"]
    return any(_stored(path) for path in paths)


def _stored(path: Path) -> bool:
    own = os.environ.get("WANDB_BASE_URL", "").partition("://")[2].strip("/")
    try:
        hosts = netrc.netrc(path).hosts
    except (OSError, netrc.NetrcParseError):
        return False
    known = ("wandb.ai", "coreweave.com")
    return any(host == own if own else host.endswith(known) for host in hosts)


def _open(tracker: Wandb, card: RunCard, outputs: Path) -> Any:
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    import wandb

    mode = tracker.mode if tracker.mode != "auto" else "online" if has_key() else "offline"
    if mode == "online":
        problem = _unreachable(wandb.setup().settings.base_url, tracker.init_timeout_seconds)
        try:
            if not problem:
                return _init(tracker, card, outputs, "online")
        except Exception as error:  # refused, timed out, a wrong key: W&B has many names for them
            problem = _short(error)
            wandb.teardown()  # otherwise the id counts as in use in this process
        log.warning("W&B cannot be used now (%s); this run is kept offline, and task=sync sends it later", problem)
    elif tracker.mode == "auto":
        _say_offline(outputs / "wandb")
    return _init(tracker, card, outputs, "offline")


@cache  # once for each process
def _say_offline(place: Path) -> None:
    log.info("W&B      no key found, so it is kept offline in %s; with a key, task=sync sends it", place)


def _init(tracker: Wandb, card: RunCard, outputs: Path, mode: Literal["online", "offline"]) -> Any:
    import wandb

    outputs.mkdir(parents=True, exist_ok=True)
    return wandb.init(
        project=tracker.project,
        entity=tracker.entity,
        mode=mode,
        id=card.key,
        resume="allow",
        reinit="create_new",
        name=f"{card.label} {card.model} seed {card.seed}" if card.job == "train" else card.label,
        group=card.group,
        job_type=card.job,
        tags=[tag[:64] for tag in (card.label, card.model, card.data) if tag],  # 64: what the server takes
        config={**card.config, "run_key": card.key, "base_key": card.base, "label": card.label},
        dir=outputs,
        settings=wandb.Settings(
            init_timeout=tracker.init_timeout_seconds,
            login_timeout=tracker.init_timeout_seconds,
            finish_timeout=tracker.finish_timeout_seconds,
            console="off",
        ),
    )


@cache  # once for each process: a sync of a hundred runs must not wait a hundred times
def _unreachable(url: str, timeout_seconds: float) -> str | None:
    """Why the server does not answer, or None when it does, whatever it says."""
    request = urllib.request.Request(f"{url}/graphql", data=b'{"query":"{__typename}"}', method="POST")
    request.add_header("Content-Type", "application/json")
    try:
        with urllib.request.urlopen(request, timeout=timeout_seconds):
            return None
    except urllib.error.HTTPError:
        return None
    except (OSError, http.client.HTTPException) as error:
        return f"{url}: {_short(error)}"


def _cell(value: Any) -> Any:
    return value if value is None or isinstance(value, (str, int, float, bool)) else str(value)


def _short(error: Exception) -> str:
    first = (str(error).strip() or type(error).__name__).splitlines()[0]
    return first if len(first) <= 160 else f"{first[:159]}…"
