"""POST /v1/embeddings"""

from __future__ import annotations

from django.http import HttpRequest
from ninja import Router

from gateway.api.openapi import EMBEDDINGS
from gateway.http.response import Response
from gateway.inference.endpoint import Endpoint, JsonBody
from gateway.inference.pipeline import serve
from gateway.parsing.schemas import peek_embeddings
from providers.dialects import choice

router = Router(tags=["Embeddings"])
ENDPOINT = Endpoint(
    name="embeddings",
    path="/v1/embeddings",
    scope="embeddings",
    model_type="embedding",
    body=JsonBody(peek_embeddings),
    dialect=choice.EMBEDDINGS,
)


@router.post("/embeddings", openapi_extra=EMBEDDINGS, operation_id="createEmbedding")
async def embeddings(request: HttpRequest) -> Response:
    """Create embeddings of a string, a list of strings, token ids, or a list of those."""
    return await serve(request, ENDPOINT)  # type: ignore[arg-type]  # V1Handler makes V1Requests
