"""One row of `model_catalog`: an alias, and one deployment that serves it. Data only.

Its prices become a price sheet in catalog/pricing/config_prices.py.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from gateway.config.fields import Count, Price, Section, Texts, Wait, internal, wrong
from gateway.config.sections.model_facts import Facts
from gateway.values.cache_members import CACHE_MEMBERS

ProviderName = Literal[
    "openai", "openai-compatible", "azure", "anthropic", "bedrock", "vertex", "huggingface", "simulator"
]
ModelType = Literal["llm", "embedding", "image", "audio", "moderation", "rerank"]
Strategy = Literal["weighted", "least_busy", "latency", "cost"]

CHOICES = {  # settings in `metadata` with fixed choices, and the choices
    "azure_auth": ("key", "entra"),
    "cache_member": CACHE_MEMBERS,
    "cap_member": ("max_tokens", "max_completion_tokens", "none"),
    "stream_usage": ("ask", "none"),
    "completions": ("native", "chat"),
    "reasoning_content": ("send", "drop"),
}
BLOCKS = ("azure", "vertex", "bedrock", "openai", "openai_compatible", "anthropic")
_LIFTED = {"base_url": "endpoint"} | {
    name: name for name in ("endpoint", "api_key", "api_version", "region", "deployment")
}


PriceFactor = Annotated[Decimal, Field(gt=0, le=100)]


def _hyphen(value: Any) -> Any:
    return "openai-compatible" if value == "openai_compatible" else value


def _lower(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


class Timeouts(Section):
    connect: Wait = Field(3.0, description="Connection and TLS.")
    first_byte: Wait = Field(
        300.0,
        description="From the request's last byte to a stream's first content; reasoning models think for minutes. "
        "Where a row sets it, it also bounds calls that are not streams; otherwise those wait "
        "`server.provider_timeout`.",
    )
    idle: Wait = Field(
        120.0, description="Between two events of a stream; unset: `server.stream_idle_timeout`."
    )
    total: Wait = Field(900.0, description="The whole attempt.")


class ImagePrice(Section):
    size: str = Field("", description="Such as 1024x1024; empty is any.")
    quality: str = Field("", description="Such as high; empty is any.")
    price: Price = Field(description="USD for one image.")


class PriceStep(Section):
    prompt_tokens: Count = Field(description="The whole call has these prices if its prompt is longer.")
    input: Price | None = Field(
        None, description="Parts in the row's `price_per` unit; one left out keeps its price."
    )
    output: Price | None = Field(None, description="As `input`.")
    cached_input: Price | None = Field(None, description="As `input`.")
    cache_write: Price | None = Field(None, description="As `input`.")
    cache_write_1h: Price | None = Field(None, description="As `input`.")
    reasoning: Price | None = Field(None, description="As `input`.")
    audio_input: Price | None = Field(None, description="As `input`.")
    audio_output: Price | None = Field(None, description="As `input`.")
    image_input: Price | None = Field(None, description="As `input`.")
    image_output: Price | None = Field(None, description="As `input`.")


class Pricing(Section):
    """Token parts are in the row's `price_per` unit; image, second, character and request are USD each."""

    cached_input: Price | None = Field(
        None, description="Input read from the provider's cache. Unset: as input."
    )
    cache_write: Price | None = Field(
        None, description="Input written to the provider's cache. Unset: as input."
    )
    cache_write_1h: Price | None = Field(
        None, description="Input kept in the provider's cache for an hour or longer. Unset: as `cache_write`."
    )
    reasoning: Price | None = Field(None, description="Reasoning output. Unset: as output.")
    audio_input: Price | None = Field(None, description="Audio tokens in. Unset: as input.")
    audio_output: Price | None = Field(None, description="Audio tokens out. Unset: as output.")
    image_input: Price | None = Field(None, description="Tokens of pictures in. Unset: as input.")
    image_output: Price | None = Field(None, description="Tokens of pictures out. Unset: as output.")
    image: Price | None = Field(None, description="One image.")
    images: tuple[ImagePrice, ...] = Field(
        (), description="One image, by size and quality; overrides `image`."
    )
    second: Price | None = Field(None, description="One second of audio.")
    character: Price | None = Field(None, description="One character of speech input.")
    request: Price | None = Field(None, description="Each call, on top.")
    tool_calls: dict[str, Price] = Field(
        {}, description="USD for each call of a tool that the provider runs, such as web_search: 0.01."
    )
    above: tuple[PriceStep, ...] = Field(
        (), description="Steps by the prompt's length; the highest reached counts."
    )
    tiers: dict[str, PriceFactor] = Field(
        {}, description="Factors on all token parts by the tier that the answer reports, such as flex: 0.5."
    )
    geography: dict[str, PriceFactor] = Field({}, description="The same by place, such as us: 1.1.")


def _plain_list(value: Any) -> Any:
    return {"unavailable": value} if isinstance(value, list | tuple) else value


class Fallbacks(Section):
    """A plain list is `unavailable`. Aliases of this file, of the same type; used only if the caller may use them."""

    unavailable: tuple[str, ...] = Field((), description="When no deployment of this alias can answer.")
    context_window: tuple[str, ...] = Field((), description="When the prompt is too long for this alias.")
    content_filter: tuple[str, ...] = Field((), description="When the provider's filter refuses the prompt.")

    def among(self, aliases: set[str]) -> Fallbacks:
        """Return the fallbacks that are among these aliases."""
        return Fallbacks(
            **{reason: [a for a in named if a in aliases] for reason, named in self.model_dump().items()}
        )


class Experiment(Section):
    by: Literal["tenant", "user"] = Field("tenant", description="The caller that always gets the same arm.")
    arms: dict[str, Annotated[int, Field(ge=0, le=1_000_000)]] = Field(
        min_length=2,
        description="A map: the name of a deployment, and its share, such as `{fast: 90, cheap: 10}`.",
    )


class ModelEntry(Section):
    alias: str = Field(
        min_length=1,
        max_length=200,
        pattern=r"^\S+$",
        description="The model's name for clients; several rows may share it.",
    )
    provider: Annotated[ProviderName, BeforeValidator(_hyphen)] = Field(
        description="The provider that serves it."
    )
    provider_model: str = Field(min_length=1, description="What goes upstream as the model.")
    deployment: str = Field(
        "", max_length=200, description="The row's own name, unique in the alias. Unset: `<alias>-<n>`."
    )
    model_type: ModelType = Field("llm", description="What it does; the same in every row of an alias.")
    endpoint: str = Field(
        "",
        description="Base URL, up to and including `/v1` where the provider has one, such as "
        "`http://127.0.0.1:8000/v1`; of `anthropic`, `azure`, `bedrock` and `vertex` the host. Unset: the "
        "provider's own.",
    )
    api_key: str = Field(
        "", repr=False, description="Credential. Unset: `providers.*`, for the provider's own host only."
    )
    api_version: str = Field("", description="For `azure`.")
    region: str = Field("", description="For `bedrock` and `vertex`; information elsewhere.")
    currency: Literal["USD"] = Field("USD", description="Nothing else is accepted.")
    priority: int = Field(0, ge=0, le=1000, description="Lower is tried first.")
    weight: int = Field(100, ge=0, le=1_000_000, description="Share within a priority.")
    shadow_percent: int = Field(
        0,
        ge=0,
        le=100,
        description="Above 0 the row never answers: so many percent of the alias's calls are mirrored to it, at the "
        "operator's cost.",
    )
    enabled: bool = Field(default=True, description="Off: the row serves nothing.")
    strategy: Strategy = Field(
        "weighted", description="Choice within a priority; of the alias, so stated in one row."
    )
    max_output_tokens: Count | None = Field(None, description="Most tokens of one answer.")
    context_window: Count | None = Field(None, description="Most tokens of prompt and answer together.")
    modalities: tuple[str, ...] | None = Field(
        None, description="What it takes, such as text, image, audio. Unset: anything is passed on to it."
    )
    supports_tools: bool = Field(default=True, description="Whether tools may be sent.")
    supports_json_schema: bool = Field(
        default=True, description="Whether `response_format: json_schema` may be sent."
    )
    fallbacks: Annotated[Fallbacks, BeforeValidator(_plain_list)] = Field(
        Fallbacks(),
        description="Other aliases to ask; of the alias, so stated in one row. A plain list is `unavailable`.",
    )
    sticky: Literal["none", "user", "prompt_cache_key"] = Field(
        "none",
        description="Requests with the same value of this member get the same deployment; stated in one row.",
    )
    experiment: Experiment | None = Field(
        None, description="Splits callers over the deployments of the alias; stated in one row."
    )
    price_input: Price | None = Field(None, description="USD per `price_per` tokens of input.")
    price_output: Price | None = Field(None, description="USD per `price_per` tokens of output.")
    price_per: Annotated[Literal["1k", "1m"], BeforeValidator(_lower)] = Field(
        "1k", description="Unit of every token price of the row."
    )
    pricing: Pricing = Pricing()
    free: bool = Field(
        default=False, description="Costs nothing; a row without any price is refused otherwise."
    )
    timeouts: Timeouts = Timeouts()
    unknown_members: Literal["pass", "refuse"] = Field(
        "pass",
        description="Request members that the gateway does not know: pass, bounded by the context window, or refuse.",
    )
    facts: Facts = Facts()
    metadata: Texts = Field(
        {},
        description="The provider's own settings. The blocks `azure`, `vertex`, `bedrock`, `openai`, "
        "`openai_compatible` and `anthropic` are merged into it.",
    )
    owned_by: str = Field("", description="Shown in `GET /v1/models`. Unset: the provider.")
    requires_env: str = Field("", description="The row exists only where this variable is set.")
    problem: str = internal("")  # why a valid row cannot work; only this row is disabled

    @property
    def states_only_zero_prices(self) -> bool:
        """Return whether prices are stated and all are 0: that alone does not declare the model free."""
        pricing = self.pricing.model_dump(
            exclude_none=True, exclude={"images", "tool_calls", "above", "tiers", "geography"}
        )
        stated = [
            self.price_input,
            self.price_output,
            *pricing.values(),
            *(i.price for i in self.pricing.images),
        ]
        written = [price for price in stated if price is not None]
        return bool(written) and not any(written) and not self.free

    @property
    def token_unit(self) -> Decimal:
        return Decimal(1_000 if self.price_per == "1k" else 1_000_000)

    @model_validator(mode="before")
    @classmethod
    def _merge_blocks(cls, data: Any) -> Any:
        """Merge provider blocks into metadata; settings for which the row has its own key go to that key."""
        if not isinstance(data, dict):
            return data
        row = dict(data)
        blocks = [row.pop(name) for name in BLOCKS if isinstance(row.get(name), dict)]
        if not blocks:
            return row
        metadata = dict(row.get("metadata") or {})
        for block in blocks:
            for key, value in block.items():
                if key in _LIFTED:
                    row.setdefault(_LIFTED[key], value)
                else:
                    metadata[key] = value
        return {**row, "metadata": metadata}

    @field_validator("metadata")
    @classmethod
    def _known_settings(cls, value: dict[str, str]) -> dict[str, str]:
        for name, choices in CHOICES.items():
            if value.get(name, choices[0]) not in choices:
                raise wrong(f"{name}: {value[name]!r} is not known", f"use {' or '.join(choices)}")
        return value

    @field_validator("modalities")
    @classmethod
    def _no_empty_modality(cls, value: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if value is not None and not (value and all(value)):
            raise wrong("names nothing", "leave it out, or write it like [text, image]")
        return value
