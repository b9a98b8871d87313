"""Sections of limits and money: default rates, default budget, alerts. Data only."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

from pydantic import Field

from gateway.config.fields import Duration, Limit, OwnLimit, OwnUsd, Ratio, Schedule, Section, Wait, nano_usd

OnInsufficient = Literal["refuse", "clamp"]


class Limits(Section):
    """Rates of one key or tenant. None inherits, UNLIMITED (-1) is the word `unlimited`."""

    requests_per_minute: Limit = Field(None, description="Calls in any 60 seconds.")
    tokens_per_minute: Limit = Field(None, description="Tokens in any 60 seconds.")
    parallel_requests: Limit = Field(None, description="Calls at the same time.")


class RateLimits(Section):
    default_tokens_per_minute: OwnLimit = Field(
        1_000_000, description="Tokens a minute of a key or tenant without its own."
    )
    default_requests_per_minute: OwnLimit = Field(
        1000, description="Calls a minute of a key or tenant without its own."
    )
    default_parallel_requests_key: OwnLimit = Field(
        10, description="Calls at a time of a key without its own."
    )
    default_parallel_requests_tenant: OwnLimit = Field(
        100, description="Calls at a time of a tenant without its own."
    )


class Smtp(Section):
    host: str = Field("", description="Mail server; empty sends no mail.")
    port: int = Field(587, ge=1, le=65535, description="Its port.")
    username: str = Field("", description="Name to sign in with; empty: no sign-in.")
    password: str = Field("", repr=False, description="Password of `username`.")
    from_: str = Field("", alias="from", description="Sender; required with `host`.")
    use_tls: bool = Field(default=True, description="Require STARTTLS.")
    skip_tls_verify: bool = Field(default=False, description="Accept any certificate.")
    connect_timeout: Wait = Field(5.0, description="Longest wait for the mail server.")


class Webhook(Section):
    timeout: Wait = Field(5.0, description="Longest wait for a webhook's answer.")
    max_retries: int = Field(3, ge=0, le=20, description="Further attempts after the first.")
    secret: str = Field("", repr=False, description="Key of the signature header; empty sends none.")


class Alert(Section):
    enabled: bool = Field(default=True, description="Notify people when a budget runs low or out.")
    emails: tuple[str, ...] = Field((), description="Who is notified about every tenant's budget.")
    webhooks: tuple[str, ...] = Field(
        (), description="Webhooks that are notified about every tenant's budget."
    )
    cooldown: Duration = Field(3600.0, description="Time before the same alert is repeated.")
    smtp: Smtp = Smtp()
    webhook: Webhook = Webhook()


class Budgets(Section):
    default_usd: OwnUsd = Field(Decimal(100), description="Budget of a tenant without its own.")
    warning_threshold_perc: Ratio = Field(0.8, description="Share of a budget at which the warning is given.")
    refresh_schedule: Schedule = Field(
        "calendar_month",
        description="When spending starts anew: `daily`, `weekly` (on Monday), `calendar_month`, `calendar_quarter`, "
        "`calendar_year`, `every_<n>d` (periods of n days since 1970-01-01). With `rolling_<n>d` the last n days "
        "count, today included. Days are those of `reporting.timezone`.",
    )
    on_insufficient: OnInsufficient = Field(
        "refuse",
        description="A call that may cost more than is left: refuse it, or lower its `max_tokens` to fit.",
    )
    alert: Alert = Alert()

    @property
    def default_nanousd(self) -> int | None:
        """The default budget in nano-USD; None is no budget."""
        return None if self.default_usd is None else nano_usd(self.default_usd)
