"""The interface of a dialect whose call may need several requests, such as one for each text of a batch.

providers/sending/several_requests.py sends them to one target, as one attempt.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from typing_extensions import override

from providers.dialects.base import Answered, Dialect, Stream
from providers.dialects.lenient.document import Document
from providers.request_additions import Added
from providers.target import Target
from providers.usage import Usage


class Part(msgspec.Struct, frozen=True):
    """What was read of one response. `usage` None: the provider reported none."""

    content: Any
    usage: Usage | None


class SeveralRequests(Dialect):
    """Its responses are whole documents, never streams."""

    is_made_in_steps = True

    @abstractmethod
    def bodies(self, raw: bytes, target: Target) -> Sequence[bytes]:
        """Return the bodies for this target, one at least. Raises Unsupported."""

    @abstractmethod
    def part(self, at: int, raw: bytes, headers: Mapping[str, str]) -> Part:
        """Read the response to the body at this place. Raises MalformedAnswer."""

    @abstractmethod
    def joined(self, parts: Sequence[Part]) -> Answered:
        """Return the client's response; the parts are in the order of the bodies."""

    @override
    def request(self, raw: bytes, target: Target, added: Added | None = None) -> bytes:
        raise NotImplementedError("its requests are sent by several_requests.py")

    @override
    def response(self, raw: bytes) -> Answered:
        raise NotImplementedError("its responses are read by several_requests.py")

    @override
    def describe_additions(self, added: Added) -> str:
        return ""

    @override
    def headers(self, target: Target) -> dict[str, str]:
        return {}

    @property
    @override
    def is_sse(self) -> bool:
        return False

    @property
    @override
    def has_output(self) -> bool:
        return False

    @override
    def stream(self) -> Stream:
        raise NotImplementedError("it has no streams")

    @override
    def begin_with_document(self, stream: Stream, raw: bytes) -> bytes | None:
        raise NotImplementedError("it has no streams")

    @override
    def document(self) -> Document:
        raise NotImplementedError("it has no streams")

    @override
    def folded(self, events: bytes) -> bytes:
        raise NotImplementedError("it has no streams")
