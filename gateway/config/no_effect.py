"""Keys that are read but have no effect yet. Those that are set are reported at every startup, by `manage.py check`
and in the reference. A line is removed when its feature is built.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator


class Unbuilt(NamedTuple):
    """A key, or a section with all its keys; `instead` is what the gateway does."""

    path: str
    instead: str


UNBUILT = (
    Unbuilt("admin.oidc", "people sign in with e-mail and password"),
    Unbuilt("admin.local.enabled", "people sign in with e-mail and password, whatever it says"),
    Unbuilt("admin.session.access_token_ttl", "there are no access tokens; pages use sessions"),
    Unbuilt("admin.session.refresh_token_ttl", "there are no refresh tokens; pages use sessions"),
    Unbuilt("admin.session.cookie_name", "there are no refresh tokens; pages use sessions"),
    Unbuilt("audio", "there is no endpoint for audio"),
    Unbuilt("batches", "there is no endpoint for batches"),
    Unbuilt("bootstrap.tenant_budgets[].alert_cooldown", "no alert is sent"),
    Unbuilt("bootstrap.tenant_budgets[].alert_emails", "no alert is sent"),
    Unbuilt("bootstrap.tenant_budgets[].alert_webhooks", "no alert is sent"),
    Unbuilt("budgets.alert", "no alert is sent"),
    Unbuilt("files", "there is no endpoint for files"),
    Unbuilt("observability.enable_otlp", "no traces are sent"),
    Unbuilt("observability.otlp_endpoint", "no traces are sent"),
    Unbuilt("observability.otlp_protocol", "no traces are sent"),
)

_SO_ANYWAY = {
    "admin.oidc.enabled": "false",
    "admin.local.enabled": "true",
    "budgets.alert.enabled": "false",
    "observability.enable_otlp": "false",
}


def unbuilt(path: str) -> Unbuilt | None:
    """Return the entry that covers a key; its path has `[]` for each list."""
    return next((row for row in UNBUILT if path == row.path or path.startswith(f"{row.path}.")), None)


def without_effect(keys: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the keys that are set without effect, one text per entry of the table, and what applies instead."""
    set_here: dict[Unbuilt, list[str]] = {}
    for path, value in _values(keys, ""):
        row = unbuilt(path)
        if row is not None and not _agrees(path, value) and path not in set_here.setdefault(row, []):
            set_here[row].append(path)
    for row, paths in set_here.items():
        yield ", ".join(paths), row.instead


def _agrees(path: str, value: Any) -> bool:
    """Return whether a switch is set to what applies anyway."""
    return path in _SO_ANYWAY and str(value).lower() == _SO_ANYWAY[path]


def _values(node: Any, above: str) -> Iterator[tuple[str, Any]]:
    """Yield every value that is set, with its path; an empty section or a null sets nothing."""
    if isinstance(node, dict):
        for name, value in node.items():
            yield from _values(value, f"{above}.{name}" if above else str(name))
    elif isinstance(node, list) and any(isinstance(item, dict) for item in node):
        for item in node:
            yield from _values(item, f"{above}[]")
    elif node is not None:
        yield above, node
