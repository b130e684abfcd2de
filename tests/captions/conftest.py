"""Fixtures of the captions tests."""

from __future__ import annotations

import pytest

from internvid.captions.server import client


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits between tries are short."""
    monkeypatch.setattr(client, "_FIRST_WAIT_SECONDS", 0.01)
    monkeypatch.setattr(client, "_LONGEST_WAIT_SECONDS", 0.05)
    monkeypatch.delenv("INTERNVID_API_KEY", raising=False)
