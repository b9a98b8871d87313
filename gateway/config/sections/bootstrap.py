"""The `bootstrap` section: what must exist on the first start. Data only; tenants and budgets apply it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from gateway.config.fields import Duration, Network, Ratio, Schedule, Section, Usd, Zone, nano_usd, wrong
from gateway.config.sections.limits import Limits, OnInsufficient

Scope = Literal["chat", "embeddings", "images", "audio", "moderations", "rerank", "files", "batches"]
Role = Literal["owner", "admin", "viewer", "user"]
_RATES = tuple(Limits.model_fields)


def _email(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    name, at, host = value.strip().rpartition("@")
    if not (name and at and host) or any(space in value.strip() for space in " \t\r\n"):
        raise wrong(f"{value!r} is not an e-mail address", "write it like admin@example.com")
    return value.strip().lower()


Email = Annotated[str, BeforeValidator(_email)]


class BootstrapTenant(Section):
    name: str = Field(min_length=1, max_length=200, description="Unique.")
    status: Literal["active", "suspended"] = Field(
        "active", description="A suspended tenant's keys are refused."
    )
    timezone: Zone = Field("", description="Of its budget windows. Unset: `reporting.timezone`.")
    models: tuple[str, ...] | None = Field(None, description="Aliases it may use. Unset: every enabled one.")
    stores_answers: bool = Field(
        default=False, description="Keep finished streams for replays by Idempotency-Key."
    )


class BootstrapUser(Section):
    email: Email = Field(description="The login.")
    name: str = Field("", description="Shown to others.")
    password: str = Field("", repr=False, description="Of the first start only; never reset later.")
    is_super_admin: bool = Field(default=True, description="May do everything.")


class BootstrapKey(Section):
    tenant: str = Field(min_length=1, description="The tenant of the key.")
    prefix: str = Field(
        "", pattern=r"^[A-Za-z0-9_-]{0,32}$", description="Public part. Unset: generated, printed once."
    )
    secret: str = Field(
        "",
        repr=False,
        pattern=r"^[A-Za-z0-9._~-]{0,128}$",
        description="Secret part. Unset: generated, printed once.",
    )
    name: str = Field("", description="For people. Required without a prefix: it then identifies the key.")
    scopes: tuple[Scope, ...] = Field((), description="What it may call; empty is everything.")
    models: tuple[str, ...] | None = Field(
        None, description="Aliases it may use. Unset: those of its tenant."
    )
    allowed_ips: tuple[Network, ...] = Field((), description="Addresses that may use it; empty is all.")
    expires_at: datetime | None = Field(
        None, description="When it stops working; UTC where no offset is written."
    )
    priority: Literal["interactive", "batch"] = Field(
        "interactive", description="Calls of `batch` keys are refused first under load."
    )
    budget_usd: Usd | None = Field(None, description="Its own budget, within its tenant's.")
    budget_schedule: Schedule | None = Field(None, description="Unset: `budgets.refresh_schedule`.")
    warning_threshold: Ratio | None = Field(None, description="Unset: `budgets.warning_threshold_perc`.")
    rate_limit: Limits = Limits()

    @property
    def limit_nanousd(self) -> int | None:
        return None if self.budget_usd is None else nano_usd(self.budget_usd)

    @model_validator(mode="before")
    @classmethod
    def _older_names(cls, data: Any) -> Any:
        """Accept the names of older files: `rate_limits`, and `quota` with budget and rates in it."""
        if not isinstance(data, dict):
            return data
        row = dict(data)
        rates = row.pop("rate_limits", None)
        quota = row.pop("quota", None)
        if rates is not None:
            row.setdefault("rate_limit", rates)
        if isinstance(quota, dict):
            limits = {name: quota.pop(name) for name in _RATES if name in (quota := dict(quota))}
            row = {**quota, **row}
            if limits:
                row["rate_limit"] = {**limits, **(row.get("rate_limit") or {})}
        return row

    @field_validator("expires_at")
    @classmethod
    def _in_utc(cls, value: datetime | None) -> datetime | None:
        return value.replace(tzinfo=UTC) if value is not None and value.tzinfo is None else value

    @model_validator(mode="after")
    def _can_be_found_again(self) -> BootstrapKey:
        if self.secret and not self.prefix:
            raise wrong("has a secret but no prefix", "write both, or neither to have them generated")
        if not self.prefix and not self.name:
            raise wrong(
                "has neither prefix nor name", "a name is needed to know the key again on the next start"
            )
        return self


class BootstrapMembership(Section):
    tenant: str = Field(min_length=1, description="The tenant.")
    email: Email = Field(description="The person.")
    role: Role = Field("user", description="owner, admin, viewer or user.")


class TenantLimits(Section):
    tenant: str = Field(min_length=1, description="The tenant.")
    limits: Limits = Field(Limits(), description="Its rates; may also stand beside `tenant`.")

    @model_validator(mode="before")
    @classmethod
    def _flat(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        row = dict(data)
        flat = {name: row.pop(name) for name in _RATES if name in row}
        return {**row, "limits": {**flat, **(row.get("limits") or {})}} if flat else row


class TenantBudget(Section):
    tenant: str = Field(
        min_length=1, description="The tenant; several budgets with different schedules are fine."
    )
    budget_usd: Usd = Field(description="The limit.")
    warning_threshold: Ratio | None = Field(None, description="Unset: `budgets.warning_threshold_perc`.")
    refresh_schedule: Schedule | None = Field(None, description="Unset: `budgets.refresh_schedule`.")
    on_insufficient: OnInsufficient | None = Field(None, description="Unset: `budgets.on_insufficient`.")
    alert_emails: tuple[str, ...] = Field((), description="Who is notified; empty: `budgets.alert.emails`.")
    alert_webhooks: tuple[str, ...] = Field(
        (), description="What is notified; empty: `budgets.alert.webhooks`."
    )
    alert_cooldown: Duration | None = Field(None, description="Unset: `budgets.alert.cooldown`.")

    @property
    def limit_nanousd(self) -> int:
        return nano_usd(self.budget_usd)


class Bootstrap(Section):
    tenants: tuple[BootstrapTenant, ...] = Field((), description="Organizations.")
    admin_users: tuple[BootstrapUser, ...] = Field((), description="People who administer the gateway.")
    api_keys: tuple[BootstrapKey, ...] = Field((), description="Keys.")
    memberships: tuple[BootstrapMembership, ...] = Field((), description="Who belongs to which tenant.")
    tenant_limits: tuple[TenantLimits, ...] = Field((), description="Rates of tenants.")
    tenant_budgets: tuple[TenantBudget, ...] = Field((), description="Budgets of tenants.")
