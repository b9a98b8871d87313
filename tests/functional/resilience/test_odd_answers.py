"""Whole calls with answers that most JSON readers refuse, or that are not JSON: an answer is delivered, and usage and
reason are recorded in any case.
"""

from __future__ import annotations

import json

import pytest

from tests.support import sample
from tests.support.clients.raw_calls import question
from tests.support.provider.other_forms import DONE, FAILED, LAST, OK, STREAM, asked, booked, document
from tests.support.servers.gateway import Gateway, merged
from tests.support.waiting import eventually


@pytest.fixture(scope="module")
def gateway(upstream, closed_port, tmp_path_factory):
    rows = [
        sample.row("other", "up-other", upstream.base_url, max_output_tokens=200_000, context_window=300_000),
        sample.row("vector", "up-vector", upstream.base_url, model_type="embedding"),
    ]
    config = merged(
        sample.config(upstream.base_url, closed_port),
        {"model_catalog": rows, "server": {"bodies_in_flight_mb": 32}},
    )
    with Gateway(config, tmp_path_factory.mktemp("forms") / "data") as server:
        yield server


NUMBERS = {
    "beyond a double": "1e400",
    "below it": "-1e400",
    "with a sign": "1E+0400",
    "of 5,000 digits": "7" * 5_000,
    "a fraction of 5,000 digits": "0." + "7" * 5_000,
    "no number": "NaN",
    "infinity": "-Infinity",
    "a list in 5,000 others": "[" * 5_000 + "]" * 5_000,
    "an object in 5,000 others": '{"a":' * 5_000 + "1" + "}" * 5_000,
    "lists and objects in turn": '[{"a":' * 2_500 + "1" + "}]" * 2_500,
}
DEEP = {kind: value for kind, value in NUMBERS.items() if len(value) > 5_002}
TOGETHER = DEEP | {
    "all numbers": f"[{','.join([value for value in NUMBERS.values() if value not in DEEP.values()])}]"
}
EACH = [(False, value) for value in NUMBERS.values()] + [(True, value) for value in TOGETHER.values()]
NAMES = [*NUMBERS, *[f"{kind} in a stream" for kind in TOGETHER]]


@pytest.mark.parametrize(("stream", "value"), EACH, ids=NAMES)
async def test_json_values_that_few_readers_accept_are_delivered_unchanged(gateway, upstream, stream, value):
    for more in (f',"x":{value}', f',"x":{value},"y":"{"y" * 300_000}"'):
        answer, row = await asked(gateway, upstream, document(more, f',"x":{value}'), stream=stream)
        assert (answer.status_code, booked(row)) == (200, OK)
        assert answer.text.count(f'"x":{value}') == 2
        assert '"model":"other"' in answer.text
        assert '"up"' not in answer.text
        assert answer.content.endswith(DONE.encode()) is stream


@pytest.mark.parametrize("kind", NUMBERS)
async def test_json_values_that_few_readers_accept_are_no_usage(gateway, upstream, kind):
    for usage in (NUMBERS[kind], f'{{"prompt_tokens":9,"completion_tokens":{NUMBERS[kind]}}}'):
        answer, row = await asked(gateway, upstream, document(usage=usage))
        assert answer.status_code == 200
        assert (row["status"], row["output_tokens"], row["estimated"]) == ("ok", 1, True)


@pytest.mark.parametrize("kind", TOGETHER)
async def test_vectors_beside_such_values_are_delivered(gateway, upstream, kind):
    said = f'{{"data":[{{"embedding":[0.5],"x":{TOGETHER[kind]}}}],"usage":{{"prompt_tokens":9,"total_tokens":9}}}}'
    answer, row = await asked(gateway, upstream, said, input="hi")
    assert (answer.status_code, answer.text, booked(row)) == (200, said, ("ok", 9, 0, False, 0))


USELESS = {
    "two documents": document() + document(),
    "a line each": "\n".join([json.dumps(each) for each in (*STREAM, LAST)]),
    "a list of chunks": json.dumps([*STREAM, LAST]),
    "a list of one": f"[{document()}]",
    "garbage behind it": document() + "<!-- x -->",
    "a line end in a text": document().replace("hello", "hel\nlo"),
    "choices as a number": document().replace('"choices":[', '"choices":4,"x":['),
}


@pytest.mark.parametrize("kind", USELESS)
@pytest.mark.parametrize("stream", [False, True])
async def test_usage_of_an_unusable_answer_is_billed(gateway, upstream, kind, stream):
    answer, row = await asked(gateway, upstream, USELESS[kind], stream=stream)
    assert (answer.status_code, booked(row)) == (502, FAILED)


REASONS = ['{"error":{"why":"the reason"}}', '{"errors":{"n":["the reason"]}}', '{"message":{"en":"the reason"}}',
           '{"error":{"a":{"b":{"c":"the reason"}}}}', "the reason", "<html><p>the reason</p></html>",
           'data: {"error":{"message":"the reason"}}\n\n']  # fmt: skip


@pytest.mark.parametrize("said", REASONS)
@pytest.mark.parametrize("stream", [False, True])
async def test_the_reason_reaches_the_operator_whatever_its_shape(gateway, upstream, said, stream):
    answer, row = await asked(gateway, upstream, said, stream=stream)
    assert answer.status_code == 502

    def reasons():
        return [
            record["reason"]
            for record in gateway.records()
            if (record["event"], record.get("request_id")) == ("attempt.failed", row["id"])
        ]

    await eventually(reasons, lambda told: any("the reason" in reason for reason in told))


@pytest.mark.parametrize("said", REASONS)
async def test_the_reason_reaches_the_caller_whatever_its_shape(gateway, upstream, said):
    upstream.script("up-other", {"kind": "status", "status": 422, "body": said})
    async with gateway.client(sample.ALICE) as client:
        answer = await client.post("/v1/chat/completions", json=question("other"))
    assert answer.status_code == 422
    assert "the reason" in answer.json()["error"]["message"]
