"""POST /v1/completions"""

from __future__ import annotations

from django.http import HttpRequest
from ninja import Router

from gateway.api.openapi import COMPLETIONS
from gateway.http.response import Response
from gateway.inference.endpoint import Endpoint, JsonBody
from gateway.inference.pipeline import serve
from gateway.parsing.schemas import peek_completions
from providers.dialects.choice import COMPLETIONS as COMPLETIONS_API

router = Router(tags=["Completions"])
ENDPOINT = Endpoint(
    name="completions",
    path="/v1/completions",
    scope="chat",
    model_type="llm",
    body=JsonBody(peek_completions),
    dialect=COMPLETIONS_API,
)


@router.post("/completions", openapi_extra=COMPLETIONS, operation_id="createCompletion")
async def completions(request: HttpRequest) -> Response:
    """Complete a prompt, as JSON or as a stream of events.

    Every field passes to a provider that has this API; others get one prompt as a chat.
    """
    return await serve(request, ENDPOINT)  # type: ignore[arg-type]  # V1Handler makes V1Requests
