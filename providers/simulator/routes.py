"""Which API of the simulator a request is for, by its path."""

from __future__ import annotations

from providers.simulator.anthropic import routes as anthropic
from providers.simulator.bedrock import routes as bedrock
from providers.simulator.core.exchange import Request, Response
from providers.simulator.gemini import routes as gemini
from providers.simulator.openai import routes as openai


def handle(request: Request) -> Response:
    """Return the response; every API reports errors in its own form."""
    path = request.path
    if path.startswith("/model/"):
        return bedrock.handle(request)
    if path.startswith(("/v1beta", "/v1/projects/", "/v1/publishers/")):
        return gemini.handle(request)
    is_listing = path.startswith("/v1/models") and "anthropic-version" in request.headers
    if is_listing or path.startswith("/v1/messages"):
        return anthropic.handle(request)
    return openai.handle(request)
