"""Put a bundle on the Hugging Face hub."""

import pathlib
import re
from typing import Any

from pix2pix_jax.core.errors import InputError, first_line, require

_REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+", re.ASCII)


class Hub:
    """A repository of the hub to push to; what can be known before the work is checked at once."""

    def __init__(self, repository: str) -> None:
        """Check the name, the package and the login.

        Args:
            repository: `owner/name`; it is made if it does not exist.

        Raises:
            InputError: The name is not one, huggingface_hub is missing, or nobody is logged in.
        """
        if not _REPOSITORY.fullmatch(repository):
            raise InputError(f"--push {repository}: expected owner/name")
        self._hub: Any = require("huggingface_hub", "hub")
        if not self._hub.get_token():
            raise InputError(
                f"--push {repository}: not logged in to the hub: run `hf auth login`, or set "
                "HF_TOKEN"
            )
        self.repository = repository

    def push(self, folder: pathlib.Path, message: str) -> str:
        """Upload all files of a folder.

        Args:
            folder: The folder.
            message: What the change is called.

        Returns:
            The address of the repository.

        Raises:
            InputError: The hub refuses, or cannot be reached.
        """
        api = self._hub.HfApi()
        try:
            address = api.create_repo(self.repository, exist_ok=True)
            api.upload_folder(repo_id=self.repository, folder_path=folder, commit_message=message)
        except Exception as error:  # of the hub's client, or of one of the two below it
            raise InputError(
                f"--push {self.repository}: {first_line(error)}; {folder} is complete, and can be "
                "pushed later"
            ) from error
        return str(address)
