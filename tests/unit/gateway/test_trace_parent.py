"""Only what has the form of W3C Trace Context is a trace."""

from __future__ import annotations

import pytest

from gateway.http.request import V1Request

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
GOOD = f"00-{TRACE}-{SPAN}-01"


def trace_parent(*values):
    headers = [(b"traceparent", value.encode("latin-1")) for value in values]
    scope = {"method": "POST", "path": "/v1/chat/completions", "headers": headers}
    return V1Request(scope).trace_parent


@pytest.mark.parametrize("given", [GOOD, f"00-{TRACE}-{SPAN}-00", f"cc-{TRACE}-{SPAN}-ff"])
def test_a_trace_is_kept_as_it_is(given):
    assert trace_parent(given) == given


@pytest.mark.parametrize(
    "given",
    [
        "",
        "1",
        GOOD[:-1],
        GOOD + "0",
        GOOD + "\n",
        GOOD.upper(),
        GOOD.replace("-", "_"),
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE[:-1]}\u00e9-{SPAN}-01",
        GOOD + "-" + "x" * 60_000,
    ],
)
def test_anything_else_is_no_trace(given):
    assert trace_parent(given) == ""


def test_a_request_without_one_has_no_trace():
    assert trace_parent() == ""
