"""POST /v1/embeddings"""

from __future__ import annotations

from django.http import HttpRequest
from ninja import Router

from gateway.api.openapi import EMBEDDINGS
from gateway.api.schemas import peek_embeddings
from gateway.http.response import Answer
from gateway.inference.pipeline import Endpoint, serve

router = Router(tags=["Embeddings"])
ENDPOINT = Endpoint(name="embeddings", scope="embeddings", model_type="embedding", peek=peek_embeddings)


@router.post("/embeddings", openapi_extra=EMBEDDINGS, operation_id="createEmbedding")
async def embeddings(request: HttpRequest) -> Answer:
    """Create embeddings of a string, a list of strings, token ids, or a list of those."""
    return await serve(request, ENDPOINT)  # type: ignore[arg-type]  # V1Handler makes V1Requests
