"""POST /v1/responses/compact: OpenAI's summary of a conversation, which is billed like a call."""

from __future__ import annotations

from django.http import HttpRequest
from ninja import Router

from gateway.api.openapi import RESPONSES as SCHEMA
from gateway.http.response import Response
from gateway.inference.endpoint import Endpoint, JsonBody
from gateway.inference.pipeline import serve
from gateway.parsing.responses_body import peek_compaction
from providers.conversation.responses.side import COMPACTION

router = Router(tags=["Responses"])
ENDPOINT = Endpoint(
    name="responses.compact",
    path="/v1/responses/compact",
    scope="chat",
    model_type="llm",
    body=JsonBody(peek_compaction),
    dialect=COMPACTION,
)


@router.post("/responses/compact", openapi_extra=SCHEMA, operation_id="compactResponse")
async def compact_response(request: HttpRequest) -> Response:
    """Compact a conversation. Only at providers that have this API."""
    return await serve(request, ENDPOINT)  # type: ignore[arg-type]  # V1Handler makes V1Requests
