"""What bodies of the Messages API demand, for tests."""

from __future__ import annotations

import base64
import json
from typing import Any

from catalog.pricing.prices import PriceSheet
from gateway.parsing.messages import peek_messages
from tests.support.clients.media import png
from tests.support.clients.pdfs import plain

SHEET = PriceSheet(input=10**9, output=2 * 10**9)
PNG = base64.b64encode(png(64, 64)).decode()
PDF = base64.b64encode(plain()).decode()


def raw(**members: Any) -> bytes:
    body = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}], **members}
    return json.dumps(body, separators=(",", ":")).encode()


def demand(**members: Any):
    return peek_messages(raw(**members)).demand


def of_block(*blocks: dict[str, Any]):
    return demand(messages=[{"role": "user", "content": list(blocks)}])


def image(**source: Any) -> dict[str, Any]:
    return {"type": "image", "source": source}


PICTURE = image(type="base64", media_type="image/png", data=PNG)
FILE = {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": PDF}}
