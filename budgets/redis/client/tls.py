"""TLS of the connection to Redis, from the parameters of its URL as redis-py reads them: a check that connects with
redis-py and our own connection must trust the same server.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def context_of(options: Mapping[str, Any]) -> ssl.SSLContext:
    """Return the context for `rediss://`. Raises OSError, which names the file, where one cannot be read."""
    for name in ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile"):
        if file := options.get(name):
            Path(file).open("rb").close()  # the library's own error does not name it
    context = ssl.create_default_context(
        cafile=options.get("ssl_ca_certs"), capath=options.get("ssl_ca_path")
    )
    trusts_any = options.get("ssl_cert_reqs") == "none"
    context.check_hostname = not trusts_any and bool(options.get("ssl_check_hostname", True))
    if trusts_any:
        context.verify_mode = ssl.CERT_NONE
    if certificate := options.get("ssl_certfile"):
        context.load_cert_chain(certificate, options.get("ssl_keyfile"))
    return context
