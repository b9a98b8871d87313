"""Paths with small mistakes are served, and unknown paths get a hint with the right path."""

from __future__ import annotations

import pytest

from gateway.api import api
from gateway.http import paths
from gateway.http.paths import explain, is_call, is_careless, tidy
from gateway.server.listeners import is_served

CHAT = "/v1/chat/completions"


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        (CHAT, CHAT),
        ("/v1//chat/completions", CHAT),
        ("//v1/chat/completions", CHAT),
        ("/v1/chat/completions/", CHAT),
        ("///v1///chat//completions///", CHAT),
        ("//v1/models//org/model/", "/v1/models/org/model"),
        ("/v1/models/hf://org/model", "/v1/models/hf://org/model"),
        ("/v1/models//", "/v1/models"),
        ("/v1/models/" + "x/" * 30_000, "/v1/models/" + "x/" * 29_999 + "x"),
        ("/v1/", "/v1"),
        ("/", "/"),
        ("//", "/"),
        ("/" * 60_000, "/"),
    ],
)
def test_extra_slashes_are_ignored(path, meant):
    assert tidy(path) == meant
    assert is_careless(path) or path == meant


@pytest.mark.parametrize(
    "path",
    [
        "/v1",
        "/v1/models",
        "/v1x/chat/completions",
        "/chat/completions",
        "/embeddings",
        "/completions",
        "/responses",
        "/messages",
        "/openai/v1/chat/completions",
        "/api/v1/embeddings",
        "/V1/models",
        "/V1",
        "/openai/deployments/gpt/chat/completions",
        "/v1/v1/chat/completions",
        "/CHAT/COMPLETIONS",
    ],
)
def test_paths_meant_for_the_api_are_recognised(path):
    assert is_call(path)
    assert is_served("calls", path)
    assert not is_served("back office", path)


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/metrics",
        "/admin/ui/",
        "/admin/completions",
        "/static/chat/completions",
        "/accounts/login",
        "/readme",
        "/v1x",
        "/user/embeddings",
    ],
)
def test_other_paths_are_not_taken_for_the_api(path):
    assert not is_call(path)
    assert not is_served("calls", path)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/chat/completions", f"base URL ends in /v1: it has {CHAT}"),
        ("/openai/v1/chat/completions", f"base URL ends in /v1: it has {CHAT}"),
        ("/v1/v1/chat/completions", f"base URL ends in /v1: it has {CHAT}"),
        ("/v1/openai/deployments/x/chat/completions", f"base URL ends in /v1: it has {CHAT}"),
        ("/api/models", "it has /v1/models"),
        ("/v2/embeddings", "it has /v1/embeddings"),
        ("/V1/chat/completions", f"did you mean {CHAT}?"),
        ("/v1/Chat/Completions", f"did you mean {CHAT}?"),
        ("/v1/chat/completions\n", f"did you mean {CHAT}?"),
        (" /v1/models", "did you mean /v1/models?"),
        ("/v1/chat/completion", f"did you mean {CHAT}?"),
        ("/v1/chat-completions", f"did you mean {CHAT}?"),
        ("/v1/chat", f"did you mean {CHAT}?"),
        ("/v1/model", "did you mean /v1/models?"),
        ("/v1/embedding", "did you mean /v1/embeddings?"),
        ("/v1/gateway", "did you mean /v1/gateway/simulate?"),
        ("/v1", f"The API has {CHAT}, "),
        ("/v1/nothing", "the API page is at /v1/docs"),
        ("/wp-login.php", "the API page is at /v1/docs"),
        ("/v1/..;/x", "the API page is at /v1/docs"),
        ("/v1/" + "x/" * 30_000, "the API page is at /v1/docs"),
    ],
)
def test_unknown_path_has_a_hint(path, words):
    code, message = explain(path)
    assert code == "not_found"
    assert words in message
    assert len(message) < 300


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/v1/messages/batches", "'/v1/messages/batches' is not supported"),
        ("/v1/images/generations", "'/v1/images' is not supported by this version of the gateway."),
        ("/v1/audio/speech", "'/v1/audio' is not supported"),
        ("/v1/files/file-abc/content", "'/v1/files' is not supported"),
        ("/v1/threads/t/runs/r/steps", "'/v1/threads' is not supported"),
        ("/v1/chat/completions/chatcmpl-1", "'/v1/chat/completions/{id}' is not supported"),
        ("/v1/v1/Realtime", "'/v1/realtime' is not supported"),
    ],
)
def test_a_known_path_that_is_not_served_says_so(path, words):
    code, message = explain(path)
    assert code == "unsupported_endpoint"
    assert words in message


def test_the_served_paths_are_those_of_the_api():
    served = {path for path in api.get_openapi_schema()["paths"] if "{" not in path}
    assert set(paths.SERVED) == served
    assert not {path.split("/")[2] for path in served} & set(paths.KNOWN)
