"""Pages that are the same for every visitor: they must not wait for a visitor's session."""

from __future__ import annotations

from gateway.http.request import Scope

NO_SESSION = frozenset({"/", "/readme", "/metrics", "/favicon.ico"})
_STATIC = "/static/"


def without_session(scope: Scope) -> Scope:
    """Return the request without its cookies where the page is the same for every visitor.

    Reading the session of a signed-in visitor queries the database, and these pages have to report that it is late.
    """
    path = scope["path"]
    if path not in NO_SESSION and not path.startswith(_STATIC):
        return scope
    return {**scope, "headers": [pair for pair in scope["headers"] if pair[0] != b"cookie"]}
