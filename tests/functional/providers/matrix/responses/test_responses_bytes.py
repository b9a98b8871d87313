"""A body of Responses reaches OpenAI and Azure byte for byte but for its model, and at OpenAI the name of its cache."""

from __future__ import annotations

import re

import pytest

from tests.functional.providers.matrix.responses.responses_calls import call, read
from tests.functional.providers.matrix.rows import ROWS

CACHE = re.compile(rb',"prompt_cache_key":"[0-9a-f]+"')
OPENAIS = [up for up in ROWS if up.vendor in {"openai", "azure"} and up.family == "openai"]
BODY = """ {"input" : [ {"role":"user","content":[{"text":"caf\\u00e9 \\/ [tools] \\ud83d\\ude00",
  "type":"input_text"}]}],
  "stream":%s,\t"model"  :  "%s", "max_output_tokens":2048,"tools":[{"parameters":{"properties":{"b":{"type":"number",
  "minimum":1.50},"a":{"type":"string"}},"type":"object"},"name":"weather","type":"function","strict":false}],
  "instructions":"Be  \\u006bind", "metadata":{"z":"1","a":"2"},"store" :false } """


@pytest.mark.parametrize("up", OPENAIS, ids=lambda up: up.alias)
@pytest.mark.parametrize("stream", ["false", "true"], ids=["whole", "stream"])
async def test_a_body_passes_byte_for_byte(matrix, books, up, stream):
    raw = BODY % (stream, up.alias)
    answer = await call(matrix, raw.encode())
    assert answer.status_code == 200, answer.text
    seen = books.vendors.calls(vendor=up.vendor, model=up.model, method="POST")[-1]
    salted = CACHE.findall(seen["body"])
    assert len(salted) == (up.vendor == "openai")  # there tenants have caches of their own
    assert CACHE.sub(b"", seen["body"]).decode() == raw.replace(f'  "{up.alias}"', f'  "{up.model}"')
    books.check(up, read(answer, up.alias, streams=stream == "true"))
