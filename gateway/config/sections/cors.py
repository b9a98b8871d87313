"""Which pages of other origins may call the API from a browser. Data only."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from gateway.config.fields import Kind, Section, wrong

# RFC 6454, 6.2: how browsers write an origin.
_ORIGIN = re.compile(r"(https?)://([a-z0-9._-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?")
_PORTS = {"http": ":80", "https": ":443"}
_HINT = (
    "write it as browsers do, like https://app.example.com or http://localhost:3000, or * for every origin"
)


def _origin(value: str) -> str:
    if value.strip() == "*":
        return "*"
    found = _ORIGIN.fullmatch(value.strip().lower().removesuffix("/"))
    if found is None:
        raise wrong(f"{value!r} is not an origin", _HINT)
    scheme, host, port = found[1], found[2], found[3] or ""
    return f"{scheme}://{host}{'' if port == _PORTS[scheme] else port}"


Origin = Annotated[str, AfterValidator(_origin), Kind("origin")]


class Cors(Section):
    origins: tuple[Origin, ...] = Field(
        (),
        description="Origins whose pages may call /v1 from a browser, or `*`. Every user of such a page can read its "
        "key, so give it a key of its own with a small budget.",
    )
