"""POST /v1/messages"""

from __future__ import annotations

from django.http import HttpRequest
from ninja import Router

from gateway.api.openapi_messages import MESSAGES
from gateway.http.client_api import ANTHROPIC
from gateway.http.response import Response
from gateway.inference.endpoint import Endpoint, JsonBody
from gateway.inference.pipeline import serve
from gateway.parsing.messages import peek_messages

router = Router(tags=["Messages"])
ENDPOINT = Endpoint(
    name="messages",
    path="/v1/messages",
    scope="chat",
    model_type="llm",
    body=JsonBody(peek_messages),
    api=ANTHROPIC,
    dialect=ANTHROPIC.name,
)


@router.post("/messages", openapi_extra=MESSAGES, operation_id="createMessage")
async def create_message(request: HttpRequest) -> Response:
    """Create a message, as JSON or as a stream of events, in Anthropic's API.

    A model whose deployments speak another API answers too: the request is translated, and what cannot be is refused by
    its name.
    """
    return await serve(request, ENDPOINT)  # type: ignore[arg-type]  # V1Handler makes V1Requests
