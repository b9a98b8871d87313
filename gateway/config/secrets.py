"""Every secret of the process, derived from one; `<data_dir>/secret` holds it when none is configured."""

from __future__ import annotations

import os
import secrets
from typing import TYPE_CHECKING

import msgspec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from typing_extensions import override

from gateway.config.errors import ConfigError, ConfigProblem

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.config import Config

FILE = "secret"


class Secrets(msgspec.Struct, frozen=True):
    """The derived secrets: for API keys, stored credentials, Django's signatures, tokens of people, messages between
    processes, names at providers.
    """

    pepper: bytes
    encryption_key: bytes
    django_secret: str
    jwt_key: bytes
    message_key: bytes
    tenant_salt: bytes

    @override
    def __repr__(self) -> str:
        return "Secrets(***)"


def load_secrets(config: Config) -> Secrets:
    """Return the secrets; replicas with the same configuration get the same ones."""
    root = config.admin.session.jwt_secret
    main = root.encode() if root else _generated(config)
    pepper = config.security.pepper.encode() or main
    encryption = config.security.encryption_key.encode() or main
    return Secrets(
        pepper=_derive(pepper, "api key pepper"),
        encryption_key=_derive(encryption, "credential encryption"),
        django_secret=_derive(main, "django").hex(),
        jwt_key=_derive(main, "jwt"),
        message_key=_derive(main, "messages"),
        tenant_salt=_derive(main, "tenant salt"),
    )


def _derive(secret: bytes, label: str) -> bytes:
    info = f"open-model-gateway/v1/{label}".encode()
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(secret)


def _generated(config: Config) -> bytes:
    if not config.embedded:
        hint = "set ROUTER_ADMIN_SESSION_JWT_SECRET, for example to the output of `openssl rand -hex 32`"
        raise ConfigError(ConfigProblem("admin.session.jwt_secret", "is required in production", hint))
    path = config.data_dir / FILE
    try:
        config.data_dir.mkdir(0o700, parents=True, exist_ok=True)
        return _read_or_create(path)
    except OSError as error:
        hint = "the gateway must be able to write there"
        raise ConfigError(ConfigProblem("data_dir", f"{path}: {error.strerror}", hint)) from None


def _read_or_create(path: Path) -> bytes:
    """Return the file's secret. If several processes create it at once, one succeeds and all return its secret."""
    if not path.exists():
        draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(secrets.token_hex(32).encode())
                file.flush()
                os.fsync(file.fileno())
            os.link(draft, path)  # either complete or absent, and never overwrites another's
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    secret = path.read_bytes().strip()
    if len(secret) < 32:  # noqa: PLR2004 - bytes
        what = "is damaged: it should hold 64 characters"
        raise ConfigError(ConfigProblem(str(path), what, "restore it from a backup"))
    return secret
