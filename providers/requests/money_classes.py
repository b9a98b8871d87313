"""The money classes: the effect of a request member, or of a message part, on the bill."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec


class Money(StrEnum):
    FREE = "free"  # changes the response, not the upper bound of its cost
    TEXT = "text"  # may become prompt: at most a token per byte
    MEDIA = "media"  # measured: images by their size, audio by its length
    REFERENCE = "reference"  # stands for more than its bytes: at most the context window
    CAP = "cap"  # limits the output, or states how often it is generated
    FEATURE = "feature"  # is priced separately
    DESTINATION = "destination"  # where the call goes: only the gateway sets it
    REFUSED = "refused"  # could make a provider exceed the cap: refused where a limit needs the cap


class Member(msgspec.Struct, frozen=True):
    """One row. `keeps`: the provider may store the call; `shares`: it names an object of the provider's account, which
    another tenant may have created.
    """

    money: Money
    keeps: bool = False
    shares: bool = False


Table = dict[str, Member]


class Unacceptable(Exception):
    """The body is ambiguous, or sets what only the gateway decides; `param` is the member."""

    def __init__(self, message: str, param: str, code: str = "unsupported_parameter") -> None:
        self.param, self.code = param, code
        super().__init__(message)


# For every API: which model, host, account or adapter serves the call, and whether the response is sent here.
DESTINATIONS: Final = (
    "models route provider providers plugins transforms api_base base_url api_key api_version api_type "
    "custom_llm_provider deployment deployment_id engine fallbacks model_list extra_headers extra_query headers "
    "azure_endpoint organization project endpoint callback_url webhook background deferred preset mock_response "
    "kv_transfer_params bootstrap_host bootstrap_port bootstrap_room lora_path lora_request adapter_id "
    "adapter_source aws_access_key_id aws_secret_access_key aws_session_token aws_region_name "
    "aws_bedrock_runtime_endpoint vertex_project vertex_location vertex_credentials azure_ad_token"
)


def rows(money: Money, names: str, *, keeps: bool = False, shares: bool = False) -> Table:
    """Return one row for each name."""
    return {name: Member(money, keeps, shares) for name in names.split()}
