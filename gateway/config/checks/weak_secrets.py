"""Detects guessable secrets: examples, short ones, words. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway.config.model import Config

KEY_LENGTH = 20  # about 100 bits if generated
PASSWORD_LENGTH = 12
LONG_PASSWORD = 20  # from this length on words are allowed
DIFFERENT = 6
_WORDS = (
    *(
        "password",
        "passwort",
        "passw0rd",
        "secret",
        "change",
        "admin",
        "root",
        "welcome",
        "letmein",
        "qwerty",
    ),
    *("demo", "test", "example", "gateway", "abc123", "12345", "default", "hunter2", "iloveyou"),
)
PUBLISHED = frozenset({"my-secret", "admin-password"})  # in deploy/demo.yaml, which is public
_EXAMPLES = PUBLISHED | {"change-me"}  # in our own documentation


def weak_key_secret(secret: str) -> bool:
    """Return whether the secret part of an API key is too weak; an empty one is generated."""
    return bool(secret) and (
        len(secret) < KEY_LENGTH or len(set(secret)) < DIFFERENT or _is_example(secret) or _repeats(secret)
    )


def weak_password(password: str, email: str = "") -> bool:
    """Return whether a person's password is too weak; an empty one allows no sign-in."""
    if not password:
        return False
    lower = password.lower()
    is_short = len(password) < PASSWORD_LENGTH or len(set(lower)) < DIFFERENT
    names = [part for part in email.lower().partition("@")[0].split(".") if len(part) > 3]  # noqa: PLR2004 - letters
    is_word = len(password) < LONG_PASSWORD and any(word in lower for word in (*_WORDS, *names))
    return is_short or is_word or _is_example(password) or _repeats(password)


def weak_bootstrap_secrets(config: Config) -> Iterator[tuple[str, str, str]]:
    """Yield the key of each weak secret of the bootstrap section, why it is weak, and how to replace it."""
    for index, key in enumerate(config.bootstrap.api_keys):
        if weak_key_secret(key.secret):
            what = f"is weak: an example, or under {KEY_LENGTH} characters"
            hint = "leave prefix and secret out to have them generated, or use `openssl rand -hex 24`"
            yield f"bootstrap.api_keys[{index}].secret", what, hint
    for index, person in enumerate(config.bootstrap.admin_users):
        if weak_password(person.password, person.email):
            what = f"is weak: an example, a word, or under {PASSWORD_LENGTH} characters"
            hint = "use `openssl rand -base64 18`, or leave it out and run `manage.py changepassword`"
            yield f"bootstrap.admin_users[{index}].password", what, hint
    if weak_key_secret(config.observability.metrics_token):
        what = f"is weak: an example, or under {KEY_LENGTH} characters"
        yield "observability.metrics_token", what, "use `openssl rand -hex 24`"


def published_secrets(config: Config) -> Iterator[str]:
    """Yield the keys that hold a secret of the published demo."""
    section = config.bootstrap
    for index, key in enumerate(section.api_keys):
        if key.secret in PUBLISHED:
            yield f"bootstrap.api_keys[{index}].secret"
    for index, person in enumerate(section.admin_users):
        if person.password in PUBLISHED:
            yield f"bootstrap.admin_users[{index}].password"


def _is_example(secret: str) -> bool:
    lower = secret.lower()
    return any(example in lower for example in _EXAMPLES)


def _repeats(secret: str) -> bool:
    """Return whether it is a short pattern repeated."""
    return any(
        secret == (secret[:size] * len(secret))[: len(secret)] for size in range(1, len(secret) // 2 + 1)
    )
