"""Members that the gateway adds to a request, and how it corrects them after a provider's refusal.

A cap is added where a budget or a limit needs one, `stream_options.include_usage` where a stream's usage is to be read.
A row's `metadata` states how (`cap_member`, `stream_usage`); else the provider's kind decides, until a server refuses a
member by name: then it is called once more without it, or with the cap's other name. The result is kept for LEARNED_S,
so that an error is not permanent: for the tenant of the call, and for all once a call of another tenant had the same
result, since an error may quote text that a tenant wrote, or fetched from its own server. Sources: the refusals of
OpenAI's reasoning models, Azure's dated versions, Mistral, Cohere, Google's compatible API, vLLM and FastAPI.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Container
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec
from cachetools import FIFOCache

from providers.registry import PROVIDERS

if TYPE_CHECKING:
    from providers.errors.exceptions import UpstreamStatus
    from providers.target import Target

LEARNED_S: Final = 3_600.0
MOST_TENANTS: Final = 1_000  # for which the additions of one deployment are kept
ANY_TENANT: Final = 0
MAX_REQUESTS: Final = 3  # requests to one deployment in one attempt: each addition can be refused once
_OTHER: Final = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}
_REFUSALS: Final = (400, 422)
_READ: Final = 16 * 1024
_UNKNOWN: Final = re.compile(
    rb"(?i)unsupported|not supported|n't supported|n't support|not support|unrecogni[sz]ed|not recogni[sz]ed|unknown"
    rb"|unexpected|extra[ _](?:inputs?|fields?|forbidden)|forbidden|not (?:permitted|allowed|accepted|implemented)"
    rb"|not a valid|no such|cannot find field|invalid (?:parameter|argument|field|key|property|name|member)"
    rb"|additional propert|deprecated"
)
# The name of a cap that is only too high is known to the server.
_OF_A_VALUE: Final = re.compile(
    rb"(?i)too (?:large|high|big|many)|at most|(?:less|greater|larger|higher|more) than|less_than|exceed|up to"
    rb"|maximum (?:value|of|allowed)|between|range"
)
_NAMED: Final = {
    name: re.compile(rb"(?<![\w-])" + name.encode() + rb"(?![\w-])")
    for name in ("max_tokens", "max_completion_tokens", "stream_options")
}


class Added(msgspec.Struct, frozen=True):
    """The additions that a deployment accepts: the name of the cap ("": none), and whether usage is requested."""

    cap: str
    usage: bool = True


class _Learned(NamedTuple):
    """Of one deployment: its address, since an edited row is another server; by tenant, the expiry and additions."""

    address: tuple[Any, ...]
    known: FIFOCache[int, tuple[float, Added]]


class Additions:
    """The additions for each deployment, by its id and by tenant."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._learned: dict[int, _Learned] = {}
        self._clock = clock

    def for_target(self, target: Target, tenant_id: int = ANY_TENANT) -> Added:
        """Return the additions that this deployment accepts from this tenant, as far as known."""
        if self._learned and (learned := self._learned.get(target.id)) is not None:
            known, now = learned.known, self._clock()
            for each in (tenant_id, ANY_TENANT):
                if each in known and now < known[each][0] and learned.address == _address(target):
                    return known[each][1]
        return stated(target)

    def learn(self, target: Target, added: Added, tenant_id: int = ANY_TENANT) -> None:
        """Store what a deployment accepted after a refusal. `tenant_id`: 0 is the operator's own call."""
        now = self._clock()
        learned = self._learned.get(target.id)
        if learned is None or learned.address != _address(target):
            learned = self._learned[target.id] = _Learned(_address(target), FIFOCache(MOST_TENANTS))
        known = learned.known
        known[tenant_id] = (now + LEARNED_S, added)
        if any(each != tenant_id and now < until and met == added for each, (until, met) in known.items()):
            known[ANY_TENANT] = known[tenant_id]

    def keep_only(self, targets: Container[int]) -> None:
        """Keep what was learned of these deployments, by id; drop the rest."""
        self._learned = {each: learned for each, learned in self._learned.items() if each in targets}


def stated(target: Target) -> Added:
    """Return the additions of the row, or those of its provider's kind."""
    metadata = target.metadata
    if not metadata:
        return _USUAL[target.provider]
    cap = metadata.get("cap_member") or PROVIDERS[target.provider].cap_field
    return Added("" if cap == "none" else cap, metadata.get("stream_usage") != "none")


def _address(target: Target) -> tuple[Any, ...]:
    return target.provider, target.base_url, target.upstream_model, target.api_version, stated(target)


def without(added: Added, refusal: UpstreamStatus, *, has_cap: bool, asks_usage: bool) -> Added | None:
    """Return what to add instead, if this refusal names an addition; None: it is about other things.

    `has_cap` and `asks_usage`: whether the gateway set them in this request at all.
    """
    body = (refusal.body or b"")[:_READ]
    is_read = refusal.status in _REFUSALS and refusal.usage is None  # a billed request was understood
    if not is_read or not _UNKNOWN.search(body):
        return None
    if asks_usage and added.usage and _NAMED["stream_options"].search(body):
        return msgspec.structs.replace(added, usage=False)
    if has_cap and added.cap in _OTHER and _NAMED[added.cap].search(body) and not _OF_A_VALUE.search(body):
        return msgspec.structs.replace(added, cap=_OTHER[added.cap])
    return None


_USUAL: Final = {name: Added(row.cap_field) for name, row in PROVIDERS.items()}
