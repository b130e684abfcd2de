"""Keys, certificates and addresses: nothing secret leaves the environment."""

from __future__ import annotations

import logging
import shutil
import ssl
import subprocess
from pathlib import Path
from typing import Any

import pytest

from internvid.captions.requests import Answer
from internvid.captions.server.chat import check_served
from internvid.captions.server.config import ServedModel
from internvid.core.errors import ConfigInvalidError, ServiceError
from tests.captions.questions import (
    KEY,
    answers,
    collect,
    echo,
    expected,
    requests,
)
from tests.captions.servers import Turn, chat, serving

pytestmark = pytest.mark.usefixtures("hurried")


def test_keys_stay_in_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("MY_KEY", KEY)
    caplog.set_level(logging.DEBUG)
    told: dict[str, Answer] = {}

    def script(payload: dict[str, Any], time: int) -> Turn:
        words = payload["messages"][0]["content"][-1]["text"]
        if "number 5" in words:
            return Turn({"error": {"message": f"Incorrect key Bearer {KEY}, {KEY}"}}, 401)
        return Turn(chat(f"the key is {KEY}")) if time else Turn(f"{KEY}".encode(), 500)

    with serving(script) as server:
        served = server.served(key_variable="MY_KEY", cache=str(tmp_path), concurrency=1)
        with pytest.raises(ServiceError) as caught:
            collect(told, served, requests(9))
    seen = [str(caught.value), repr(caught.value), repr(served), repr(caught.value.__cause__)]
    seen += [repr(answer) for answer in told.values()]
    seen += [record.getMessage() for record in caplog.records]
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(seen) > 5
    assert files
    assert not any(KEY in text or KEY[3:] in text for text in seen)
    assert not any(KEY.encode() in path.read_bytes() for path in files)


@pytest.mark.parametrize("value", ["k\u00e9y", "a\nb", "a\x00b"])
def test_a_value_that_is_no_key_is_refused_without_showing_it(
    value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "\x00" not in value:
        monkeypatch.setenv("MY_KEY", value)
        with pytest.raises(ConfigInvalidError) as caught:
            ServedModel(model="m", key_variable="MY_KEY").key()
        assert value not in str(caught.value)


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A key and a certificate for 127.0.0.1 that nobody has signed."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    path = tmp_path / "certificate.pem"
    command = (
        f"openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 "
        f"-subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1 -keyout {path} -out {path}.crt"
    )
    subprocess.run(command.split(), check=True, capture_output=True)
    path.write_text(path.read_text() + Path(f"{path}.crt").read_text())
    return path


def test_servers_are_spoken_to_in_secret_if_their_certificate_is_good(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encryption = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    encryption.load_cert_chain(certificate)
    with serving(echo, encryption) as server:
        served = server.served(base_url=f"https://127.0.0.1:{server.port}/v1", retries=0)
        with pytest.raises(ServiceError, match="CERTIFICATE_VERIFY_FAILED"):
            check_served(served)
        assert server.requests == []
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        asked = requests(12)
        found = answers(served, asked)
        assert [found[r.clip_id].text for r in asked] == [expected(r) for r in asked]


def test_a_named_key_must_be_there() -> None:
    with pytest.raises(ConfigInvalidError, match="MY_MISSING_KEY is not set"):
        ServedModel(model="m", key_variable="MY_MISSING_KEY").key()
    assert ServedModel(model="m").key() is None
    assert ServedModel(model="m", key_variable="").key() is None


@pytest.mark.parametrize(
    "url",
    [
        "http://me:secret@host/v1",
        "http://host/v1?key=secret",
        "ftp://host",
        "host:8000",
        "http://h:x/",
    ],
)
def test_addresses_that_hold_secrets_or_are_none_are_refused(url: str) -> None:
    with pytest.raises(ConfigInvalidError) as caught:
        ServedModel(model="m", base_url=url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "fields",
    [
        {"concurrency": 0},
        {"retries": -1},
        {"read_seconds": float("nan")},
        {"extra": "[1]"},
        {"extra": "{"},
    ],
)
def test_values_that_make_no_sense_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ConfigInvalidError):
        ServedModel(model="m", **fields)
