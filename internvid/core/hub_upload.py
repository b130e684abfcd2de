"""Uploads to the Hugging Face hub, by its own library."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from internvid.core.errors import DependencyMissingError, ServiceError


@dataclass(frozen=True)
class HubTarget:
    """Where an upload goes.

    Attributes:
        repo_id: `owner/name`; made if it does not exist.
        private: whether a repository that is made is private.
        revision: branch; the main one when None.
        token: of an account that may write there; the one that `hf auth login` stored when None.
        message: of the commit.
        endpoint: address of the hub; the usual one when None.
    """

    repo_id: str
    private: bool = False
    revision: str | None = None
    token: str | None = None
    message: str = "Upload with internvid"
    endpoint: str | None = None


def upload_folder(folder: Path, kind: Literal["model", "dataset"], target: HubTarget) -> str:
    """Put every file of a folder into a repository, as one commit; returns the commit's address.

    Raises:
        DependencyMissingError: huggingface_hub is not installed.
        ServiceError: no network, no permission, or the hub refuses.
    """
    try:
        hub = importlib.import_module("huggingface_hub")
    except ModuleNotFoundError as error:
        raise DependencyMissingError(
            "uploading needs the package huggingface_hub", hint="pip install huggingface_hub"
        ) from error
    api = hub.HfApi(endpoint=target.endpoint, token=target.token)
    try:
        api.create_repo(target.repo_id, repo_type=kind, private=target.private, exist_ok=True)
        commit = api.upload_folder(
            repo_id=target.repo_id,
            repo_type=kind,
            folder_path=folder,
            revision=target.revision,
            commit_message=target.message,
        )
    # Libraries below raise many kinds: no network, no such account, no permission, a bad name.
    except Exception as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise ServiceError(
            f"{target.repo_id} cannot be uploaded to: {lines[0]}",
            hint="check the name and the network, and sign in with: hf auth login",
        ) from error
    return str(commit.commit_url)
