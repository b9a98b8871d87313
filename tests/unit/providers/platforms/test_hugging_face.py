"""Hugging Face's router gets the model first, its payer and its own probe."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace
from typing import Any

import pytest

from providers.dialects.base import Shape
from providers.dialects.openai.request import body_for
from providers.json_scan.limits import Limits
from providers.json_scan.outline import outline_of
from providers.platforms.huggingface import HUGGING_FACE
from providers.request_additions import Added
from providers.requests.layout import layout_of
from providers.target import Secret, Target


def target(model: str = "meta-llama/Llama-4:groq", **more: Any) -> Target:
    known = {"id": 1, "alias": "chat", "name": "c-1", "provider": "huggingface", "upstream_model": model}
    return Target(
        **{**known, "base_url": "https://router.huggingface.co/v1", "secret": Secret("hf_x"), **more}
    )


@pytest.mark.parametrize(
    ("raw", "model", "sent"),
    [
        (b'{"messages":[],"model":"chat"}', "up", b'{"model":"up","messages":[]}'),
        (b'{"model":"chat","messages":[]}', "up", b'{"model":"up","messages":[]}'),
        (b'{ "messages": [1,  2], "model": "chat" }', "chat", b'{"model":"chat","messages":[1,  2]}'),
        (b'{"model":"chat", "messages": []}', "chat", b'{"model":"chat", "messages": []}'),
        (b'{"model":"chat"}', "up", b'{"model":"up"}'),
        (b' {"stream":true ,"model":"chat"}', "up", b'{"model":"up","stream":true}'),
    ],
)
def test_the_model_is_the_first_member(raw: bytes, model: str, sent: bytes) -> None:
    body = body_for(Shape(alias="chat", path="chat/completions"), raw, target(model), Added(""))

    assert json.loads(body) == json.loads(sent)
    assert body.lstrip().startswith(b'{"model":')
    assert list(json.loads(body)) == list(json.loads(sent))


def test_a_large_body_too() -> None:
    raw = b'{"messages":[{"role":"user","content":"x"}],"temperature":1,"model":"chat"}'
    layout = layout_of(raw, outline_of(raw, Limits()), frozenset({"model"}))
    shape = Shape(alias="chat", path="chat/completions", layout=layout)

    assert body_for(shape, raw, target("up"), Added("")) == (
        b'{"model":"up","messages":[{"role":"user","content":"x"}],"temperature":1}'
    )


@pytest.mark.parametrize(
    ("metadata", "payer"), [({}, None), ({"hf_bill_to": "org"}, "org"), ({"bill_to": "org"}, "org")]
)
def test_the_token_and_who_pays(metadata: dict[str, str], payer: str | None) -> None:
    headers: dict[str, str] = {}
    request = SimpleNamespace(method="POST", url="", headers=headers, body=b"")
    asyncio.run(HUGGING_FACE.auth.sign(request, target(metadata=metadata)))

    assert headers["authorization"] == "Bearer hf_x"
    assert headers.get("x-hf-bill-to") == payer


@pytest.mark.parametrize(
    ("base", "url", "good"),
    [
        ("https://router.huggingface.co/v1", "https://huggingface.co/api/whoami-v2", (200, 429)),
        (
            "https://mine.endpoints.huggingface.cloud/v1",
            "https://mine.endpoints.huggingface.cloud/v1/models",
            (200,),
        ),
    ],
)
def test_the_probe_of_the_router_asks_whose_the_token_is(base: str, url: str, good: tuple[int, ...]) -> None:
    assert HUGGING_FACE.probes is not None
    (probe,) = HUGGING_FACE.probes(target(base_url=base))
    assert (probe.url, probe.body, probe.good) == (url, None, good)
