"""Sections of the process itself: server, metering, security, observability, retention. Data only."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from gateway.config.fields import (
    LAST_PORT,
    Count,
    Duration,
    Kind,
    Megabytes,
    Network,
    Section,
    Wait,
    Zone,
    wrong,
)
from gateway.config.sections.cors import Cors

MOST_WORKERS = 1024
MOST_DAYS = 36_500


def _address(value: str) -> str:
    host, colon, port = value.strip().rpartition(":")
    if (
        not colon
        or not (port.isascii() and port.isdecimal())
        or any(mark in host for mark in "/@ ")
        or int(port) > LAST_PORT
        or ("::" in host and not host.startswith("["))
    ):
        raise wrong(
            f"{value!r} is not an address to listen on", "write it like 127.0.0.1:8080, :8080 or [::1]:8080"
        )
    return value.strip()


def _split(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    return host.strip("[]") or "0.0.0.0", int(port)  # noqa: S104 - `:8080` explicitly means every address


Address = Annotated[str, AfterValidator(_address), Kind("host:port")]


class Server(Section):
    listen_addr: Address = Field(
        "127.0.0.1:8080", description="Host and port to listen on; `:8080` is every address."
    )
    admin_addr: Address | None = Field(
        None,
        description="Host and port of their own for everything that is not /v1: sign-in, portal, back office, metrics. "
        "Unset: they are on `listen_addr` too.",
    )
    workers: Count = Field(
        1,
        le=MOST_WORKERS,
        description="Worker processes. More than one needs production mode (database and redis).",
    )
    max_inflight: Count = Field(
        2000,
        description="Most calls one worker serves at a time; while its event loop is late, it accepts fewer.",
    )
    max_inflight_per_endpoint: Count | None = Field(
        None,
        description="Most of them at one endpoint with one credential; a call beyond it goes elsewhere or is refused. "
        "Unset: three quarters of `max_inflight` where there are several endpoints, else all of it.",
    )
    production: bool = Field(
        default=False, description="Require both stores and strong secrets; refuse simulator and debug."
    )
    debug: bool = Field(
        default=False, description="Django's debug pages and verbose errors; never with `production`."
    )
    public_url: str = Field(
        "",
        description="The address that browsers use, such as `https://gateway.example.com`. "
        "Behind a proxy sign-in needs it. With https, cookies are sent over TLS only.",
    )
    body_limit_mb: Megabytes = Field(20, description="Largest request body; more is answered 413.")
    max_messages: Count = Field(2048, description="Most messages of one chat request; more is answered 400.")
    max_content_parts: Count = Field(256, description="Most parts in the content of one message.")
    max_inputs: Count = Field(2048, description="Most inputs of one request for embeddings.")
    max_nesting: Count = Field(
        64, description="Most levels of lists and objects inside each other in a request body."
    )
    body_decoded_mb: Megabytes = Field(
        32,
        description="Most memory that a request body may take once decoded: its bytes, and 64 for each value in it. "
        "At least 100,000 values are always allowed.",
    )
    bodies_in_flight_mb: Megabytes = Field(
        512,
        description="Most megabytes of request bodies that one worker keeps at a time, half of it for one tenant; "
        "more is answered 503 before it is read. Bodies up to 64 KiB are not counted.",
    )
    sync_timeout: Wait = Field(
        900.0, description="Longest time of a call that is not a stream, every attempt included."
    )
    provider_timeout: Wait = Field(
        600.0, description="Longest time of one attempt of a call that is not a stream."
    )
    stream_idle_timeout: Wait = Field(
        120.0, description="Longest silence inside a stream, where a row does not set `timeouts.idle`."
    )
    stream_max_duration: Wait = Field(900.0, description="Longest time of a stream.")
    read_header_timeout: Wait = Field(5.0, description="A client must send its request's head within this.")
    read_body_timeout: Wait = Field(
        30.0,
        description="It must begin to send its body within this, and continue with 16 KB a second; else 408.",
    )
    max_connections: Count | None = Field(
        None,
        description="Most connections of clients to one worker. Unset: 12000, or what the limit of open files leaves "
        "(docs/operations.md).",
    )
    max_connections_per_address: Count = Field(
        256,
        description="Most of them from one address on which no key was accepted yet; beyond it the longest idle is "
        "closed. `trusted_proxies` are not counted.",
    )
    reserved_descriptors: Count = Field(
        256, description="Open files of one worker that clients cannot take: journal, database, Redis."
    )
    unauthenticated_keep_alive: Wait = Field(
        5.0, description="An idle connection is closed after this; after 75s once a key was accepted on it."
    )
    graceful_shutdown_delay: Duration = Field(
        30.0,
        description="After SIGTERM, running calls have this long to finish; it ends when they have, so it is no "
        "delay. Workers that are replaced (SIGHUP) wait for the longest call instead.",
    )
    prestop_delay: Duration = Field(
        0.0,
        description="After SIGTERM, `/readyz` answers 503 for so long before new connections are refused.",
    )
    trusted_proxies: tuple[Network, ...] = Field(
        (), description="Proxies whose `X-Forwarded-*` or `Forwarded` is trusted."
    )
    cors: Cors = Cors()
    egress_allow: tuple[Network, ...] = Field(
        (), description="Private networks that addresses typed in admin may name."
    )

    @property
    def body_limit_bytes(self) -> int:
        return self.body_limit_mb * 1024 * 1024

    @property
    def bodies_in_flight_bytes(self) -> int:
        return self.bodies_in_flight_mb * 1024 * 1024

    @property
    def bind(self) -> tuple[str, int]:
        """Host and port to listen on; an empty host is every address."""
        return _split(self.listen_addr)

    @property
    def admin_bind(self) -> tuple[str, int] | None:
        """Host and port of the separate listener for all but /v1, if there is one."""
        return None if self.admin_addr is None else _split(self.admin_addr)


class Metering(Section):
    durability: Literal["power", "process"] = Field(
        "power",
        description="A finished call is safe from power loss, or from process death only (faster).",
    )
    allow_volatile: bool = Field(
        default=False, description="Allow `data_dir` on a RAM disk, whose journal a restart loses."
    )
    read_on: Duration = Field(
        10.0,
        description="After its client disconnected, a finished stream or an answer that is not a stream is read on for "
        "so long, to know its usage; 0 ends it at once. At most 256 calls of a worker, a quarter of them one tenant's.",
    )
    unsettled_after: Duration = Field(
        86400.0,
        description="A call whose usage its provider did not report counts with its bound in budgets for so long, "
        "unless `manage.py settle` makes it exact before.",
    )
    unsettled: Literal["estimate", "bound"] = Field(
        "estimate", description="What such a call is charged after that time."
    )


class Security(Section):
    pepper: str = Field(
        "",
        repr=False,
        description="Secret of the hashes of API keys. Empty: derived from `admin.session.jwt_secret`.",
    )
    encryption_key: str = Field(
        "",
        repr=False,
        description="Secret of stored credentials. Empty: derived from `admin.session.jwt_secret`.",
    )


class Streams(Section):
    revoke_check: Wait = Field(
        2.0, description="Running streams of a revoked key or suspended tenant end within this."
    )
    heartbeat: Wait = Field(
        15.0, description="A comment is sent to the client of a stream after so long a silence."
    )
    max_event_mb: Megabytes = Field(
        64,
        description="Largest event of a provider's stream, such as a picture in one piece. Beyond 64 KiB it takes of "
        "`server.bodies_in_flight_mb`.",
    )
    client_stall: Wait = Field(
        60.0,
        description="A client that reads nothing of its stream for so long is cut off; other answers wait twice that.",
    )

    @property
    def max_event_bytes(self) -> int:
        return self.max_event_mb * 1024 * 1024


class Reporting(Section):
    timezone: Zone = Field(
        "UTC", description="Time zone of reports and of budget windows of tenants without their own."
    )


class Retention(Section):
    metadata_days: int = Field(
        30, ge=0, le=MOST_DAYS, description="Days the call log is kept; 0 keeps it forever."
    )
    request_log_days: Count = Field(
        30,
        le=MOST_DAYS,
        description="Days the request log is kept: calls that were refused or never reached a provider.",
    )
    request_log_rows: int = Field(
        200_000,
        ge=0,
        description="Most rows of the request log, a quarter of them one tenant's, and a quarter those of unknown "
        "keys; about 1 kB each. 0 keeps none.",
    )
    zero_retention: bool = Field(
        default=False, description="Never keep a prompt or an answer, not even for idempotency."
    )


class Idempotency(Section):
    max_mb: Megabytes = Field(
        64,
        description="Most megabytes of answers that are kept for the `Idempotency-Key`s of one tenant, compressed. "
        "Beyond it a call is still made, but a repetition is answered 409 `idempotency_result_unavailable`.",
    )
    max_answers: Count = Field(10_000, description="Most answers that are kept for one tenant.")

    @property
    def most_bytes(self) -> int:
        return self.max_mb * 1024 * 1024


class Observability(Section):
    enable_metrics: bool = Field(default=True, description="Serve `/metrics`.")
    metrics_allow: tuple[Network, ...] = Field(
        (), description="Networks that may read `/metrics` besides loopback."
    )
    metrics_token: str = Field(
        "", repr=False, description="Bearer token that opens `/metrics` from anywhere."
    )
    enable_otlp: bool | None = Field(
        None, description="Send traces. Unset: true in production mode, false when embedded."
    )
    otlp_endpoint: str = Field("http://localhost:4317", description="The collector.")
    otlp_protocol: Literal["", "grpc", "http"] = Field(
        "", description="Empty: chosen by the endpoint's port (4318 is http)."
    )
    log_format: Literal["json", "text"] = Field(
        "json", description="One JSON object a line, or text for people."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="The least severe line written."
    )
    provider_messages: bool = Field(
        default=True,
        description="Keep the beginning of a provider's error in the log (1,000 characters) and in the call's record "
        "(300); it may quote the request. Never where `retention.zero_retention` is on.",
    )
