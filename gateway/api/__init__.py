"""The /v1 API object: explicit routers, one endpoint per file, every error through gateway/http/errors.py."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import NinjaAPI
from typing_extensions import override

from gateway import runtime
from gateway.api import (
    chat_completions,
    completions,
    count_tokens,
    embeddings,
    messages,
    model_list,
    simulate,
)
from gateway.api.responses import compact, create, input_tokens, stored
from tenants.auth import ApiKeyAuth


class V1API(NinjaAPI):
    """Re-raises the exceptions of its operations: the lean handler turns them into the envelope."""

    @override
    def on_exception(self, request: HttpRequest, exc: Any) -> HttpResponse:
        raise exc

    @override
    def create_temporal_response(self, request: HttpRequest) -> Any:
        return None  # needed only by operations that return plain values; ours return a Response


auth = ApiKeyAuth(lambda: runtime.current().key_cache, lambda request, caller: request.context.accept(caller))
api = V1API(
    title="Open Model Gateway",
    version="1",
    description="OpenAI's API in front of many providers, with keys, limits and budgets that hold.",
    auth=auth,
    urls_namespace="v1",
)
ROUTERS = (
    *(chat_completions, completions, embeddings, messages, count_tokens),
    *(create, compact, input_tokens, stored, model_list, simulate),
)
for module in ROUTERS:
    api.add_router("", module.router)

patterns = api.urls  # read once: ninja refuses a second mount

# The same functions that ninja documents. The handler calls them directly, without ninja's overhead of 30 us
# (docs/performance.md). A test checks that they are the same.
HOT = {
    "/v1/chat/completions": chat_completions.chat_completions,
    "/v1/completions": completions.completions,
    "/v1/responses": create.create_response,
    "/v1/embeddings": embeddings.embeddings,
    "/v1/messages": messages.create_message,
}
