"""POST /v1/responses"""

from __future__ import annotations

from django.http import HttpRequest
from ninja import Router

from gateway.api.openapi import RESPONSES as SCHEMA
from gateway.http.client_api import RESPONSES
from gateway.http.response import Response
from gateway.inference.endpoint import Endpoint, JsonBody
from gateway.inference.pipeline import serve
from gateway.parsing.responses_body import peek_responses

router = Router(tags=["Responses"])
ENDPOINT = Endpoint(
    name="responses",
    path="/v1/responses",
    scope="chat",
    model_type="llm",
    body=JsonBody(peek_responses),
    api=RESPONSES,
    dialect=RESPONSES.name,
)


@router.post("/responses", openapi_extra=SCHEMA, operation_id="createResponse")
async def create_response(request: HttpRequest) -> Response:
    """Create a response, as JSON or as a stream of named events.

    Every field passes through to providers that have this API; for others it is translated, or refused by name.
    """
    return await serve(request, ENDPOINT)  # type: ignore[arg-type]  # V1Handler makes V1Requests
