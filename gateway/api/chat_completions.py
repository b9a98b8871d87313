"""POST /v1/chat/completions"""

from __future__ import annotations

from django.http import HttpRequest
from ninja import Router

from gateway.api.openapi import CHAT
from gateway.http.response import Response
from gateway.inference.endpoint import Endpoint, JsonBody
from gateway.inference.pipeline import serve
from gateway.parsing.schemas import peek_chat
from providers.dialects.choice import CHAT as CHAT_API

router = Router(tags=["Chat"])
ENDPOINT = Endpoint(
    name="chat.completions",
    path="/v1/chat/completions",
    scope="chat",
    model_type="llm",
    body=JsonBody(peek_chat),
    dialect=CHAT_API,
)


@router.post("/chat/completions", openapi_extra=CHAT, operation_id="createChatCompletion")
async def chat_completions(request: HttpRequest) -> Response:
    """Create a chat completion, as JSON or as a stream of events.

    Every field of OpenAI's API passes through, whether listed here or not.
    """
    return await serve(request, ENDPOINT)  # type: ignore[arg-type]  # V1Handler makes V1Requests
