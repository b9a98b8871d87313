"""Where the credentials of the process come from, by botocore itself: files, profiles, a container; and none."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typing_extensions import override

from providers.auth.aws_credentials import NoCredentials, Sessions

_VARIABLES = (
    "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_DEFAULT_PROFILE",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_WEB_IDENTITY_TOKEN_FILE",
)  # fmt: skip


@pytest.fixture(autouse=True)
def nothing_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in _VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))


def parts(sessions: Sessions, profile: str = "") -> tuple[str, str, str]:
    found = sessions.load(profile)
    return found.access_key, found.secret_key, found.session_token


def test_the_environments_key_needs_no_other_package() -> None:
    given = {"AWS_ACCESS_KEY_ID": "AK", "AWS_SECRET_ACCESS_KEY": "SK", "AWS_SESSION_TOKEN": "T"}
    assert parts(Sessions(given)) == ("AK", "SK", "T")


def test_profiles_of_the_shared_file(tmp_path: Path) -> None:
    pytest.importorskip("botocore")
    (tmp_path / "credentials").write_text(
        "[default]\naws_access_key_id=A\naws_secret_access_key=B\n"
        "[other]\naws_access_key_id=C\naws_secret_access_key=D\naws_session_token=E\n"
    )
    sessions = Sessions()
    assert parts(sessions) == ("A", "B", "")
    assert parts(sessions, "other") == ("C", "D", "E")
    (tmp_path / "credentials").write_text("[other]\naws_access_key_id=F\naws_secret_access_key=G\n")
    sessions.discard("other")
    assert parts(sessions, "other") == ("F", "G", "")


class _Container(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = json.dumps(
            {
                "AccessKeyId": "CK",
                "SecretAccessKey": "CS",
                "Token": "CT",
                "Expiration": "2100-01-01T00:00:00Z",
            }
        ).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    @override
    def log_message(self, format: str, *args: Any) -> None:
        """Nothing is logged."""


@pytest.fixture
def container() -> Iterator[str]:
    server = http.server.HTTPServer(("127.0.0.1", 0), _Container)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/creds"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_containers_role(container: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("botocore")
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", container)
    assert parts(Sessions()) == ("CK", "CS", "CT")


def test_no_credentials_are_an_error_that_says_what_to_do() -> None:
    with pytest.raises(NoCredentials) as failed:
        Sessions({}).load("")
    assert not failed.value.reached
    assert "key" in failed.value.reason


def test_an_unknown_profile_is_an_error() -> None:
    with pytest.raises(NoCredentials):
        Sessions({}).load("nowhere")
