"""What a request may consume at most, as the endpoint's parser read it. A pure value without prices."""

from __future__ import annotations

import msgspec

from providers.media.images import Picture
from providers.media.pdf.measure import Document
from providers.tokens.amounts import Bound


class Demand(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The quantities that bound a call. Every field is an upper bound, or None where the client set none.

    kind: chat | embeddings | images | speech | transcription | moderation | rerank.
    """

    kind: str = "chat"
    body_bytes: int = 0  # UTF-8 bytes of the prompt's JSON, without the media that were measured
    growth: int = 0  # tokens by which tools and the like may exceed their bytes, once a template prints them
    counted: Bound | None = (
        None  # of a real count of the prompt's text, media aside; set by worst_case.counted
    )
    counted_whole: Bound | None = None  # of the provider's own count, media included; set with `counted`
    output_cap: int | None = None  # what the client stated, per choice; 0 bounds nothing
    n: int = 1  # choices
    messages: int = 1
    tools: bool = False  # functions are offered: providers add text around them
    pictures: tuple[Picture, ...] = ()  # in the prompt
    documents: tuple[str, ...] = ()  # PDFs, by name: treated as references until they are measured
    document_bytes: int = 0  # part of `body_bytes`: their base64
    measured: tuple[Document, ...] | None = None  # the measured PDFs; set by budgets/admission/reserve.py
    references: tuple[str, ...] = ()  # parts that only the context window bounds, by name
    unknown: tuple[str, ...] = ()  # unknown members: treated as references, and a deployment may refuse them
    features: tuple[str, ...] = ()  # need a price of their own
    tier: str = ""  # the requested service tier, if it is not the default
    place: str = ""  # the requested geography, if it is not everywhere
    against_cap: tuple[str, ...] = ()  # members that could make a provider exceed the cap
    predicted_bytes: int = 0  # output that is billed beyond the cap
    has_audio_output: bool = False  # the answer may be audio
    inputs: int = 1  # prompts in one request
    modalities: tuple[str, ...] = ()  # image | audio: in the prompt
    json_schema: bool = False  # the answer must follow a schema
    keeps: str = ""  # the member that asks the provider to store something of the call
    image_quantity: int = 0  # images to produce
    image_size: str = ""
    image_quality: str = ""
    sounds: int = 0  # in the prompt
    audio_ms: int = 0  # length of audio given, or the most that may be produced
    characters: int = 0  # text to speak

    @property
    def needs_window(self) -> bool:
        return bool(
            self.references or self.unknown or self.features or (self.documents and self.measured is None)
        )

    @property
    def can_be_counted_whole(self) -> bool:
        """Whether all of the prompt is in the request, so that a provider's count of it is a count of all."""
        is_open = self.references or self.unknown or self.features
        is_inside = all(map(all, self.pictures))
        return self.kind == "chat" and self.inputs == 1 and is_inside and not is_open

    @property
    def can_be_measured(self) -> bool:
        """Whether PDFs are the only reason why the context window bounds it."""
        return bool(self.documents) and not (self.references or self.unknown or self.features)
