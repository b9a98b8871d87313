"""The /v1 API object: routers listed by hand, one endpoint a file, every error through gateway/http/errors.py."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import NinjaAPI
from typing_extensions import override

from gateway import runtime
from gateway.api import chat_completions, embeddings, model_list, simulate
from tenants.auth import ApiKeyAuth


class V1API(NinjaAPI):
    """Raises what its operations raise: the lean handler turns it into the envelope."""

    @override
    def on_exception(self, request: HttpRequest, exc: Any) -> HttpResponse:
        raise exc

    @override
    def create_temporal_response(self, request: HttpRequest) -> Any:
        return None  # only needed by operations that return plain values; ours return answers


auth = ApiKeyAuth(lambda: runtime.current().keys)
api = V1API(
    title="Open Model Gateway",
    version="1",
    description="OpenAI's API in front of many providers, with keys, limits and budgets that hold.",
    auth=auth,
    urls_namespace="v1",
)
for module in (chat_completions, embeddings, model_list, simulate):
    api.add_router("", module.router)

patterns = api.urls  # taken once: ninja refuses to be mounted twice

# The very functions that ninja documents, for the handler to call without ninja's own 30 us around them
# (docs/performance.md). A test keeps them the same.
HOT = {
    "/v1/chat/completions": chat_completions.chat_completions,
    "/v1/embeddings": embeddings.embeddings,
}
