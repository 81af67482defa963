"""What a run needs beside the machine: packages, disk, the hub, accounts. No secret is ever part of a finding."""

import importlib.util
import json
import netrc
import os
import platform
import re
import shutil
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from importlib import resources
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from finetune_lab.checks.finding import Finding, bounded

NEEDED = ("torch", "transformers", "peft", "trl", "accelerate", "datasets", "scipy", "numpy", "pydantic", "hydra-core")


def constraints() -> dict[str, str]:
    """The versions of the working set, by package, as they ship with the program."""
    text = resources.files("finetune_lab").joinpath("assets/constraints.txt").read_text()
    lines = (line.split("#")[0].strip() for line in text.splitlines())
    return dict(line.split("==") for line in lines if line)


def packages(tested: Mapping[str, str]) -> list[Finding]:
    """The interpreter, and how the installed packages differ from those that the tests pass with."""
    found = {name: _installed(name) for name in tested}
    there = {name: v for name, v in found.items() if v}
    missing = [name for name in NEEDED if not _installed(name)]
    other = [f"{name} {v} (tested: {tested[name]})" for name, v in there.items() if v != tested[name]]
    findings = [Finding(check="python", state="ok", finding=platform.python_version())]
    if missing:
        told = f"not installed: {', '.join(missing)}"
        return [*findings, Finding(check="packages", state="fail", finding=told, remedy="make install")]
    told = f"{len(there) - len(other)} of {len(there)} installed packages have the tested version"
    if not other:
        return [*findings, Finding(check="packages", state="ok", finding=told)]
    shown = ", ".join(other[:4]) + (f" and {len(other) - 4} more" if len(other) > 4 else "")
    remedy = "make install, or pip install -c finetune_lab/assets/constraints.txt"
    return [*findings, Finding(check="packages", state="warn", finding=f"{told}; other: {shown}", remedy=remedy)]


def _installed(name: str) -> str | None:
    try:
        return version(name).partition("+")[0]  # torch 2.13.0+cpu is torch 2.13.0
    except PackageNotFoundError:
        return None


def tools(wanted: Mapping[str, str]) -> list[Finding]:
    """Which of the optional packages are there; `wanted` says for each what it serves and how to get it."""
    return [
        Finding(check=name, state="ok", finding=f"installed; for {serves}")
        if importlib.util.find_spec(name)
        else Finding(check=name, state="ok", finding=f"not installed; optional, for {serves}")
        for name, serves in wanted.items()
    ]


def outputs(folder: Path, min_free_gb: float) -> list[Finding]:
    """Whether results can be written, and the room on their disk."""
    place = next(p for p in (folder.absolute(), *folder.absolute().parents) if p.exists())
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".doctor-{os.getpid()}"
        probe.write_text("x")
        probe.unlink()
        findings = [Finding(check="outputs", state="ok", finding=f"{folder} can be written")]
    except OSError as error:
        told = f"{folder} cannot be written ({error.strerror})"
        findings = [Finding(check="outputs", state="fail", finding=told, remedy="set outputs= to a folder of your own")]
    free = shutil.disk_usage(place).free / 1e9
    low = free < min_free_gb
    remedy = "free some, or set outputs= and HF_HOME to a larger disk" if low else ""
    room = Finding(check="disk", state="warn" if low else "ok", finding=f"{free:.1f} GB free", remedy=remedy)
    return [*findings, room]


def hub(seconds: float) -> list[Finding]:
    """Whether the model hub answers, and as whom it knows us."""
    from huggingface_hub import get_token
    from huggingface_hub.constants import ENDPOINT

    token = get_token()
    path = "/api/whoami-v2" if token else "/api/models?limit=1"
    request = urllib.request.Request(ENDPOINT + path, headers={"Authorization": f"Bearer {token}"} if token else {})
    try:
        answer = bounded(lambda: _read(request, seconds), seconds)
    except urllib.error.HTTPError as error:
        refused = error.code in (401, 403)
        told = "answers, but refuses the token" if refused else f"answers with error {error.code}"
        remedy = "put a valid token in HF_TOKEN, or run `hf auth login`" if refused else "try again later"
        return [Finding(check="hub", state="warn", finding=told, remedy=remedy)]
    except (OSError, ValueError) as error:  # a TimeoutError is an OSError
        told = f"cannot be reached ({error.reason if isinstance(error, urllib.error.URLError) else error})"
        told += "; a token is set" if token else "; no token is set"
        remedy = "what is in the local cache works; for the rest connect, or use a folder with model=local"
        return [Finding(check="hub", state="warn", finding=told, remedy=remedy)]
    if token:
        return [Finding(check="hub", state="ok", finding=f"logged in as {_name(answer)}")]
    remedy = "for gated models: accept the licence on the model's page, then set HF_TOKEN or run `hf auth login`"
    return [Finding(check="hub", state="ok", finding="answers; no token, so no gated models", remedy=remedy)]


def _read(request: urllib.request.Request, seconds: float) -> bytes:
    with urllib.request.urlopen(request, timeout=seconds) as stream:
        answer: bytes = stream.read(100_000)
        return answer


def _name(answer: bytes) -> str:
    try:
        return str(json.loads(answer)["name"])
    except (ValueError, KeyError, TypeError):
        return "somebody"


def tracking() -> list[Finding]:
    """Whether there is a login for Weights & Biases, without starting it."""
    if (mode := os.environ.get("WANDB_MODE", "online")) != "online":
        return [Finding(check="W&B", state="ok", finding=f"WANDB_MODE={mode}: nothing is sent")]
    server = os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai")
    if os.environ.get("WANDB_API_KEY") or _has_netrc(urllib.parse.urlparse(server).hostname or ""):
        return [Finding(check="W&B", state="ok", finding="a key is set")]
    remedy = "run `wandb login` or set WANDB_API_KEY; results are whole without it"
    return [Finding(check="W&B", state="warn", finding="no login", remedy=remedy)]


def _has_netrc(host: str) -> bool:
    places = [os.environ.get("NETRC", ""), str(Path.home() / ".netrc"), str(Path.home() / "_netrc")]
    for place in places:
        if place and Path(place).is_file():
            try:
                return netrc.netrc(place).authenticators(host) is not None
            except (netrc.NetrcParseError, OSError):
                return bool(re.search(rf"\b{re.escape(host)}\b", Path(place).read_text(errors="replace")))
    return False
