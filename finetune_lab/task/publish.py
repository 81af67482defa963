"""Push a finished export to the hub. It happens only where this task is asked for."""

import logging
import os
from typing import Any

from pydantic import SkipValidation

from finetune_lab.errors import ConfigError, WorldError
from finetune_lab.inference.clients.keys import check_endpoint, check_variable
from finetune_lab.lab import Lab
from finetune_lab.once import NOTE, read_note
from finetune_lab.plugin import plugin
from finetune_lab.task.export import export_folder

log = logging.getLogger(__name__)


@plugin
class Publish:
    """`format` names the export, `repository` (owner/name) where it goes; `token_env` is the NAME of a variable.

    `endpoint` is another hub; null: the usual one. What passed the parity gate is pushed as it lies there.
    """

    format: SkipValidation[Any]
    repository: str
    private: bool
    token_env: str
    endpoint: str | None

    def __post_init__(self) -> None:
        check_variable("task.token_env", self.token_env)
        if self.endpoint is not None:
            check_endpoint("task.endpoint", self.endpoint)

    def execute(self, lab: Lab) -> None:
        folder = export_folder(lab, self.format)
        if read_note(folder) is None:
            raise WorldError(f"nothing is exported at {folder}; run the same line with task=export first")
        token = os.environ.get(self.token_env, "").strip()
        if not token:
            raise WorldError(
                f"the environment variable {self.token_env} is not set; it should hold a token that may write"
            )
        from huggingface_hub import HfApi
        from huggingface_hub.errors import HfHubHTTPError, HFValidationError

        api = HfApi(endpoint=self.endpoint, token=token)
        try:
            made = api.create_repo(self.repository, private=self.private, exist_ok=True)
            api.upload_folder(
                repo_id=self.repository,
                folder_path=folder,
                commit_message=f"Run {lab.artifact.key}",
                ignore_patterns=[NOTE],
            )
        except HFValidationError as error:
            raise ConfigError(f"task.repository: {error}") from None
        except (HfHubHTTPError, OSError) as error:
            reason = str(error).replace(token, "[token]").strip().splitlines()[0]
            raise WorldError(f"{self.repository} could not be pushed: {reason}") from None
        log.info("published %s", made)
