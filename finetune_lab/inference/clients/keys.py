"""API keys: known by the name of an environment variable alone, and never part of anything that is written."""

import os
import re

from finetune_lab.errors import ConfigError, WorldError

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")


def check_variable(where: str, name: str | None) -> None:
    """Raise ConfigError for what cannot be a variable's name; the message does not repeat it: it may be the key."""
    if name is None or (_NAME.fullmatch(name) and name.upper() == name):
        return
    raise ConfigError(
        f"{where}: must be the NAME of an environment variable, in capitals (OPENAI_API_KEY), that holds the key; "
        "what stands there is not repeated here, in case it is the key itself"
    )


def check_endpoint(where: str, endpoint: str) -> None:
    """Raise ConfigError for an address that is none, or that could carry a key."""
    if not re.match(r"https?://[^/?#\s]+", endpoint):
        raise ConfigError(f"{where}: must begin with http:// or https://, as in http://localhost:8000/v1")
    if "@" in endpoint or "?" in endpoint or "#" in endpoint:
        raise ConfigError(f"{where}: must hold no user, password or query; keys are named by api_key_env")


def key_of(name: str | None) -> str | None:
    """The key that the variable holds; None where none is named. Raises WorldError where it is not set, or no key."""
    if name is None:
        return None
    key = os.environ.get(name, "").strip()
    if not key:
        raise WorldError(f"the environment variable {name} is not set; it should hold the judge's API key")
    if not key.isascii() or not key.isprintable() or " " in key:
        # such a header would be refused further down, in a message that shows it
        raise WorldError(f"the environment variable {name} holds characters that no API key has; it is not shown here")
    return key


def without(text: str, secret: str | None) -> str:
    """`text` with `secret` blacked out, wherever a server repeats it."""
    return text.replace(secret, "[key]") if secret and secret in text else text
