"""The meaning of a 404 of well-known servers, with their bytes: the model, the path, or a name in the request."""

from __future__ import annotations

from typing import Any

import orjson

from providers.errors.exceptions import UpstreamStatus, summarize
from tests.support.provider.errors import error

NO_MODELS: list[Any] = [  # of a 404
    error("The model `x` does not exist or you do not have access to it.", code="model_not_found"),
    {
        "object": "error",
        "message": "The model `x` does not exist.",
        "type": "NotFoundError",
        "code": 404,
    },  # vLLM
    error("The API deployment for this resource does not exist.", code="DeploymentNotFound"),  # Azure
    error('model "x" not found, try pulling it first', type="api_error"),  # Ollama
    {"error": "model 'x' not found"},
    {"type": "error", "error": {"type": "not_found_error", "message": "model: claude-x"}},  # Anthropic
    [error("models/x is not found for API version v1beta", code=404, status="NOT_FOUND")],  # Gemini
    error(
        "Publisher Model `projects/p/locations/l/publishers/google/models/x` was not found", code=404
    ),  # Vertex
    {"message": "Could not resolve the foundation model from the model identifier: x"},  # Bedrock
    error("Model not found, inaccessible, and/or not deployed", code="NOT_FOUND"),  # Fireworks
    error("No endpoints found for x/y.", code=404),  # OpenRouter
    {"status": 404, "title": "Not Found", "detail": "Function '4b-2': Not found for account 'a'"},  # NVIDIA
    error("Not Found", code="InvalidEndpointOrModel.NotFound"),  # Volcengine
    error("no", param="model"),
    {"detail": "no model x"},
]
NO_PATHS: list[Any] = [  # of a 404: mostly a base URL without /v1
    {"detail": "Not Found"},  # FastAPI, as vLLM and SGLang
    "404 page not found",  # Go, as Ollama
    "Cannot POST /chat/completions",
    "<!DOCTYPE html><html><body><pre>Cannot POST /models/chat/completions</pre> model</body></html>",
    "",
    {"message": "no Route matched with those values"},  # Kong
    {"error": {"code": 404, "message": "File Not Found", "type": "not_found_error"}},  # llama.cpp
    error("Unknown request URL: POST /chat/completions. Please check the URL for typos.", code="unknown_url"),
    error(
        "Invalid URL (POST /v1/models/chat/completions) at model.example.com", type="invalid_request_error"
    ),
    {"error": {"code": "404", "message": "Resource not found"}},  # Azure
    {"type": "error", "error": {"type": "not_found_error", "message": "Not found"}},
]


def raw(body: Any) -> bytes:
    return body.encode() if isinstance(body, str) else orjson.dumps(body)


def test_404_that_names_a_model_is_blamed_on_the_model() -> None:
    for body in NO_MODELS:
        failure = UpstreamStatus(404, raw(body))
        assert (failure.kind, failure.fault) == ("model_not_found", "none"), body


def test_other_404_is_blamed_on_the_path() -> None:
    failures = [UpstreamStatus(404, raw(body)) for body in NO_PATHS]
    for failure in (*failures, summarize(failures)):
        assert (failure.code, failure.kind) == ("upstream_model_not_found", "path_not_found"), failure.body
        assert (failure.answer_status, failure.retryable) == (502, True)
        assert "end in /v1" in failure.reason
        assert "configuration, not this request" in failure.client_message
        assert failure.passthrough is None


def test_a_404_about_what_the_request_names_takes_no_deployment_out() -> None:
    failure = UpstreamStatus(404, raw(error("Item with id 'rs_1' not found.", param="input")))
    assert (failure.kind, failure.fault) == ("status_404", "none")
    assert failure.client_message == "The provider did not find something that this request names."
