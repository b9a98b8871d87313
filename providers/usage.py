"""The usage of a call in disjoint parts: no token is counted in two fields. Pure values, no I/O."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final, Self

import msgspec

USUAL_TIERS: Final = frozenset({"auto", "default", "standard"})

MOST_TOOLS: Final = 32
LONGEST_TOOL: Final = 64  # letters of a name
OTHER_TOOLS: Final = "other tools"


class ImageCount(msgspec.Struct, frozen=True, array_like=True):
    """A number of images of one size and quality, as priced by the provider ("1024x1024", "high")."""

    quantity: int
    size: str = ""
    quality: str = ""


class ToolCount(msgspec.Struct, frozen=True, array_like=True):
    """A number of calls of a tool that the provider ran itself."""

    name: str
    quantity: int


class Usage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The usage vector of one call. Tokens are integers, audio is milliseconds, characters are Unicode characters.

    `input_tokens` is text that was neither read from nor written to the provider's prompt cache;
    `output_tokens` is output without reasoning, audio and pictures. The providers' totals are the properties.
    """

    input_tokens: int = 0
    cached_input_tokens: int = 0
    cache_write_tokens: int = 0
    cache_write_1h_tokens: int = 0  # kept by the provider for an hour or longer
    audio_input_tokens: int = 0
    image_input_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    audio_output_tokens: int = 0
    image_output_tokens: int = 0
    images: tuple[ImageCount, ...] = ()
    audio_ms: int = 0
    characters: int = 0
    tool_calls: tuple[ToolCount, ...] = ()
    service_tier: str = ""  # and the place: as the response reports them
    place: str = ""
    requests: int = 1
    estimated: bool = False

    @property
    def total_input_tokens(self) -> int:
        """The provider's `prompt_tokens`."""
        return (
            self.input_tokens
            + self.cached_input_tokens
            + self.cache_write_tokens
            + self.cache_write_1h_tokens
            + self.audio_input_tokens
            + self.image_input_tokens
        )

    @property
    def total_output_tokens(self) -> int:
        """The provider's `completion_tokens`."""
        return (
            self.output_tokens + self.reasoning_tokens + self.audio_output_tokens + self.image_output_tokens
        )

    @property
    def total_tokens(self) -> int:
        return self.total_input_tokens + self.total_output_tokens

    @property
    def is_lacking(self) -> bool:
        """Whether input or output is zero, which is impossible for a response; media are counted otherwise.

        A length in seconds alone is no usage of the served models: tokens are billed.
        """
        if self.input_tokens and self.output_tokens:
            return False
        is_media = bool(self.images or self.characters)
        return not is_media and not (self.total_input_tokens and self.total_output_tokens)

    @property
    def image_count(self) -> int:
        return sum(image.quantity for image in self.images)

    def with_few_tools(self, priced: Collection[str]) -> Self:
        """Return a copy with the calls of MOST_TOOLS tools at most: all `priced` ones first, and the sum of others."""
        if len(self.tool_calls) <= MOST_TOOLS:
            return self
        kept = [tool for tool in self.tool_calls if tool.name in priced]
        others = [tool for tool in self.tool_calls if tool.name not in priced]
        room = max(0, MOST_TOOLS - 1 - len(kept))
        rest = sum([tool.quantity for tool in others[room:]])
        calls = (*kept, *others[:room], *([ToolCount(OTHER_TOOLS, rest)] if rest else []))
        return msgspec.structs.replace(self, tool_calls=calls)
