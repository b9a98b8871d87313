"""Value types of keys: durations, sizes, limits, money, networks. Pure parsing.

Every error states how to write the value.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from gateway.values.limits import UNLIMITED
from gateway.values.money import LARGEST_NANOUSD, NANO

LONGEST_S = 10 * 366 * 86400.0
MOST_COUNT = 10**12
LAST_PORT = 65535
MOST_USD = Decimal(LARGEST_NANOUSD // NANO)

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d|w)")
_SCHEDULE = re.compile(
    r"daily|weekly|calendar_(?:month|quarter|year)|"
    r"(?:every|rolling)_(?:[1-9]|[1-9][0-9]|[12][0-9][0-9]|3[0-5][0-9]|36[0-6])d"
)
_DURATION_HINT = "write it like 250ms, 30s, 90m, 1h30m, 7d, or a plain number of seconds"


@dataclass(frozen=True)
class Kind:
    """The reference's name for a type whose Python name is not clear."""

    name: str


class Section(BaseModel):
    """A mapping in the file: frozen, without unknown keys. A null key or an empty section takes its default."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, data: Any) -> Any:
        if data is None:
            return {}
        if isinstance(data, Mapping):
            return {key: value for key, value in data.items() if value is not None}
        return data


def internal(default: Any) -> Any:
    """Declare a field that the loader fills: not a key of the file, not in the reference."""
    return Field(default, exclude=True, json_schema_extra={"internal": True})


def wrong(what: str, hint: str = "") -> PydanticCustomError:
    return PydanticCustomError("config", "{what}", {"what": what, "hint": hint})


def parse_duration(value: Any) -> float:
    """Return seconds for `1h30m`, `250ms` or a plain number."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise wrong(f"{value!r} is not a duration", _DURATION_HINT)
    text = str(value).strip().lower()
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return _bounded(float(text))
    if not text or _PART.sub("", text):
        raise wrong(f"{value!r} is not a duration", _DURATION_HINT)
    return _bounded(sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text)))


def _bounded(seconds: float) -> float:
    """Reject a duration that would overflow timers and dates."""
    if seconds > LONGEST_S:
        raise wrong("is longer than 10 years", _DURATION_HINT)
    return seconds


def _parse_megabytes(value: Any) -> Any:
    """Return megabytes for `25mb`, `1gb` or a plain number."""
    found = re.fullmatch(r"(\d+)\s*(mb|gb)", value.strip().lower()) if isinstance(value, str) else None
    return int(found[1]) * (1024 if found[2] == "gb" else 1) if found else value


def _positive_duration(value: float) -> float:
    if value <= 0:
        raise wrong("must be longer than 0", _DURATION_HINT)
    return value


def _parse_count(value: Any) -> int | None:
    """Return a positive number, UNLIMITED for the word, None for nothing or 0."""
    if isinstance(value, str) and value.strip().lower() == "unlimited":
        return UNLIMITED
    try:
        number = int(str(value)) if not isinstance(value, bool) else -1
    except ValueError:
        number = -1
    if number < 0 or number > MOST_COUNT:
        raise wrong(
            f"{value!r} is not a limit", "write a positive whole number, 0 to inherit, or the word unlimited"
        )
    return number or None


def _parse_own_count(value: Any) -> int:
    if value == UNLIMITED and isinstance(value, int):
        return UNLIMITED
    count = _parse_count(value)
    if count is None:
        raise wrong(
            "a default must be a limit itself", "write a positive whole number, or the word unlimited"
        )
    return count


def _parse_limit(value: Any) -> int | None:
    if value is None or (value == UNLIMITED and isinstance(value, int)):
        return value  # already parsed
    return _parse_count(value)


def _money(value: Decimal) -> Decimal:
    if not 0 < value <= MOST_USD:
        raise wrong(f"{value} USD is not a budget", f"an amount above 0 and up to {MOST_USD:,} USD")
    if value * NANO != int(value * NANO):
        raise wrong(f"{value} USD is finer than one nano-USD", "at most nine decimals")
    return value


def _own_money(value: Any) -> Any:
    return None if isinstance(value, str) and value.strip().lower() == "unlimited" else value


def _network(value: str) -> str:
    try:
        return str(ipaddress.ip_network(value.strip(), strict=False))
    except ValueError:
        raise wrong(
            f"{value!r} is not an address or network", "write it like 10.0.0.0/8, 192.0.2.7 or fd00::/8"
        ) from None


def _zone(value: str) -> str:
    if not value:
        return value
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise wrong(f"{value!r} is not a time zone", "an IANA name such as UTC or Europe/Berlin") from None
    return value


def _schedule(value: str) -> str:
    if not _SCHEDULE.fullmatch(value):
        raise wrong(
            f"{value!r} is not a schedule",
            "daily, weekly, calendar_month, calendar_quarter, calendar_year, every_<n>d (fixed periods) or "
            "rolling_<n>d (the last n days) such as rolling_30d, n up to 366",
        )
    return value


def _texts(value: Any) -> Any:
    """Accept plain YAML for text values: numbers and booleans become text, structures JSON."""
    if not isinstance(value, Mapping):
        return value
    return {
        key: item if isinstance(item, str) else json.dumps(item)
        for key, item in value.items()
        if item is not None
    }


def nano_usd(amount: Decimal) -> int:
    return int(amount * NANO)


Duration = Annotated[float, BeforeValidator(parse_duration), Kind("duration")]
Wait = Annotated[float, BeforeValidator(parse_duration), AfterValidator(_positive_duration), Kind("duration")]
Limit = Annotated[int | None, BeforeValidator(_parse_limit), Kind("number, 0 = inherit, or `unlimited`")]
OwnLimit = Annotated[int, BeforeValidator(_parse_own_count), Kind("number or `unlimited`")]
Usd = Annotated[Decimal, AfterValidator(_money), Kind("amount in USD")]
OwnUsd = Annotated[Usd | None, BeforeValidator(_own_money), Kind("amount in USD or `unlimited`")]
Price = Annotated[Decimal, Field(ge=0, le=9000), Kind("amount in USD")]
Ratio = Annotated[float, Field(gt=0, lt=1), Kind("ratio between 0 and 1")]
Network = Annotated[str, AfterValidator(_network), Kind("network")]
Zone = Annotated[str, AfterValidator(_zone), Kind("time zone")]
Schedule = Annotated[str, AfterValidator(_schedule), Kind("schedule")]
Texts = Annotated[dict[str, str], BeforeValidator(_texts), Kind("map of texts")]
Count = Annotated[int, Field(ge=1, le=MOST_COUNT)]
Megabytes = Annotated[int, BeforeValidator(_parse_megabytes), Field(ge=1, le=102_400), Kind("megabytes")]
