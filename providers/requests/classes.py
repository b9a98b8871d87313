"""The money classes: what a member of a request, or a part of a message, can do to the bill."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Money(StrEnum):
    FREE = "free"  # changes the answer, not what it may cost at most
    TEXT = "text"  # may become prompt: at most a token a byte
    MEDIA = "media"  # measured: pictures by their size, sounds by their length
    REFERENCE = "reference"  # stands for more than its bytes: at most the context window
    CAP = "cap"  # limits the output, or says how often it is made
    FEATURE = "feature"  # has a price of its own
    DESTINATION = "destination"  # where the call goes: only the gateway sets it
    REFUSED = "refused"  # could make a provider exceed the cap: refused where a limit needs the cap


class Member(msgspec.Struct, frozen=True):
    """One row. `keeps`: the provider may store the call; `shares`: it names an object of the provider's account, which
    another tenant may have made.
    """

    money: Money
    keeps: bool = False
    shares: bool = False


Table = dict[str, Member]


class Unacceptable(Exception):
    """The body can be read in two ways, or asks for what only the gateway decides; `param` is the member."""

    def __init__(self, message: str, param: str, code: str = "unsupported_parameter") -> None:
        self.param, self.code = param, code
        super().__init__(message)


def rows(money: Money, names: str, *, keeps: bool = False, shares: bool = False) -> Table:
    """Return one row for each of the names."""
    return {name: Member(money, keeps, shares) for name in names.split()}
