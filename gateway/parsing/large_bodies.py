"""Parses a body within its limits: its contents are counted before it is decoded, whatever its size.

A body beyond 256 kB, or with very many values, is read in a separate process (gateway/parsing/heavy_process.py); the
result is small.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.http.exceptions import BadRequest
from gateway.overload.exceptions import Overloaded
from gateway.parsing.body_limits import (
    MOST_COMMAS,
    check_prompts,
    check_small,
    is_bare,
    limits_of,
    refusal_of,
    takes_long,
)
from gateway.parsing.large_reading import Embedded, Refused, Understood, find_body, name_of
from gateway.parsing.parsed_request import BodyParser, ParsedRequest
from gateway.values.fallback_log import FALLBACKS
from providers.json_scan.limits import Limits, OverLimit
from providers.json_scan.outline import is_large
from providers.processes.work_process import WorkerLost, WorkFailed, WorkTooExpensive
from providers.requests.money_classes import Unacceptable

if TYPE_CHECKING:
    from gateway.config.sections.process import Server
    from providers.processes.heavy_work import Share


async def understand(raw: bytes, peek: BodyParser, server: Server, share: Share) -> ParsedRequest:
    """Return the parsed request. Raises BadRequest, Unacceptable, Overloaded."""
    if not is_large(raw) and raw.count(b",") <= MOST_COMMAS:
        parsed = peek(raw)
        check_prompts(parsed.demand, server)
        if is_bare(raw, server, parsed.demand):
            return parsed
        limits = limits_of(server, len(raw))
        if not takes_long(raw, limits):
            check_small(raw, limits, parsed.demand)
            return parsed
    parsed = await _understood(raw, peek, limits_of(server, len(raw)), share)
    check_prompts(parsed.demand, server)
    return parsed


async def _understood(raw: bytes, peek: BodyParser, limits: Limits, share: Share) -> ParsedRequest:
    """Parse it in a separate process. Raises BadRequest, Unacceptable, Overloaded."""
    try:
        result = await share.run(Understood, "understand", raw, name_of(peek), limits)
    except (WorkTooExpensive, WorkerLost) as fault:
        raise refusal_of_work(fault) from None
    if result.parsed is None:
        raise _refusal(result.refused)
    return result.parsed


async def find_embedded(raw: bytes, server: Server, share: Share) -> Embedded:
    """Find the body in a simulation request. Raises BadRequest, Overloaded."""
    limits = limits_of(server, len(raw))
    if not is_large(raw):
        found = find_body(raw, limits)
    else:
        try:
            found = await share.run(Embedded, "embedded", raw, limits)
        except (WorkTooExpensive, WorkerLost) as fault:
            raise refusal_of_work(fault) from None
    if found.refused is not None:
        raise _refusal(found.refused)
    return found


def refusal_of_work(fault: WorkFailed) -> BadRequest | Overloaded:
    """Return the error for a body that could not be read."""
    FALLBACKS.note("large_bodies", fault)
    if isinstance(fault, WorkTooExpensive):
        return BadRequest("Your request takes too long to read.", code="too_complex")
    return Overloaded("bodies")


def _refusal(refused: Refused | None) -> BadRequest | Unacceptable:
    assert refused is not None  # noqa: S101 - the body was refused
    if refused.over:
        return refusal_of(OverLimit(refused.over, refused.limit))
    if refused.is_unacceptable:
        return Unacceptable(refused.message, refused.param or "", refused.code or "")
    return BadRequest(refused.message, refused.param, refused.code)
