"""Rows of the catalog and of bootstrap: the shapes they may be written in."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from gateway.config import Config, load
from gateway.config.fields import parse_duration
from gateway.values.limits import UNLIMITED
from providers.target import Timeouts

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.config.sections.model_catalog import ModelEntry

ROW = {"alias": "a", "provider": "openai", "provider_model": "m"}


def rows(*given_rows: dict[str, Any], **others: Any) -> tuple[ModelEntry, ...]:
    return Config.model_validate({"model_catalog": list(given_rows), **others}).model_catalog


def test_a_row_is_named_after_its_alias_and_place() -> None:
    assert [
        row.deployment for row in rows(ROW, {**ROW, "alias": "b"}, {**ROW, "deployment": "east"}, ROW)
    ] == [
        "a-1",
        "b-1",
        "east",
        "a-3",
    ]


def test_a_strategy_stated_once_is_that_of_every_row_of_the_alias() -> None:
    found = rows(ROW, {**ROW, "strategy": "cost"}, {**ROW, "alias": "b"})
    assert [row.strategy for row in found] == ["cost", "cost", "weighted"]


def test_the_idle_timeout_of_streams_is_the_servers_unless_the_row_says() -> None:
    found = rows(ROW, {**ROW, "timeouts": {"idle": "1s"}}, server={"stream_idle_timeout": "7s"})
    assert [row.timeouts.idle for row in found] == [7.0, 1.0]
    assert found[0].timeouts.connect == 3.0


def test_both_spellings_of_openai_compatible_are_one_provider() -> None:
    assert rows({**ROW, "provider": "openai_compatible"})[0].provider == "openai-compatible"


def test_provider_blocks_fill_the_rows_own_keys_and_its_metadata() -> None:
    (row,) = rows(
        {
            **ROW,
            "region": "mine",
            "metadata": {"bedrock_image_steps": 50, "flag": True, "old": "x"},
            "bedrock": {"region": "theirs", "api_key": "k", "old": "new", "creds": {"a": 1}},
            "azure": {"deployment": "east"},
        }
    )
    assert (row.region, row.api_key, row.deployment) == ("mine", "k", "east")
    assert row.metadata == {"bedrock_image_steps": "50", "flag": "true", "old": "new", "creds": '{"a": 1}'}


def test_a_row_whose_variable_is_not_set_disables_only_itself(tmp_path: Path) -> None:
    catalog = [
        {**ROW, "api_key": "${NOPE}", "timeouts": {"connect": "${ALSO_NOPE}"}, "price_input": "${NOPE}"},
        {**ROW, "api_key": "${KEY}", "price_input": "${PRICE}"},
    ]
    (tmp_path / "router.yaml").write_text(yaml.safe_dump({"model_catalog": catalog}))
    config = load({"KEY": "k", "PRICE": "0.5"}, tmp_path)
    broken, good = config.model_catalog
    assert "is not set" in broken.problem
    assert broken.api_key == ""
    assert (good.problem, good.api_key, good.price_input) == ("", "k", Decimal("0.5"))
    assert [warning for warning in config.warnings if warning.startswith("a/a-1 is disabled")]


def test_a_row_with_an_endpoint_that_is_no_address_disables_only_itself(tmp_path: Path) -> None:
    (tmp_path / "router.yaml").write_text(
        yaml.safe_dump({"model_catalog": [{**ROW, "endpoint": "api.openai.com"}]})
    )
    assert "is not an address" in load({}, tmp_path).model_catalog[0].problem


def test_a_row_for_machines_with_a_variable_is_dropped_elsewhere_and_others_keep_their_names(
    tmp_path: Path,
) -> None:
    catalog = [{**ROW, "requires_env": "KEY", "api_key": "${KEY}"}, ROW]
    (tmp_path / "router.yaml").write_text(yaml.safe_dump({"model_catalog": catalog}))
    assert [row.deployment for row in load({}, tmp_path).model_catalog] == ["a-2"]
    assert [row.deployment for row in load({"KEY": "k"}, tmp_path).model_catalog] == ["a-1", "a-2"]


def test_a_date_is_text_where_text_is_wanted(tmp_path: Path) -> None:
    (tmp_path / "router.yaml").write_text(
        "model_catalog: [{alias: a, provider: azure, provider_model: m, api_version: 2024-10-21}]"
    )
    assert load({}, tmp_path).model_catalog[0].api_version == "2024-10-21"


def bootstrap(**parts: Any) -> Any:
    return Config.model_validate({"bootstrap": parts}).bootstrap


def test_tenant_limits_may_be_nested_or_flat() -> None:
    found = bootstrap(
        tenant_limits=[
            {"tenant": "a", "limits": {"requests_per_minute": 120, "tokens_per_minute": "unlimited"}},
            {"tenant": "b", "parallel_requests": "7", "requests_per_minute": 0},
        ]
    ).tenant_limits
    assert found[0].limits.requests_per_minute == 120
    assert found[0].limits.tokens_per_minute == UNLIMITED
    assert found[0].limits.parallel_requests is None
    assert found[1].limits.parallel_requests == 7
    assert found[1].limits.requests_per_minute is None


@pytest.mark.parametrize("older", ["rate_limits", "quota"])
def test_older_names_of_a_keys_limits_are_accepted(older: str) -> None:
    limits = {"requests_per_minute": 60, "parallel_requests": 5}
    (key,) = bootstrap(api_keys=[{"tenant": "t", "prefix": "p", "secret": "s", older: limits}]).api_keys
    assert (key.rate_limit.requests_per_minute, key.rate_limit.parallel_requests) == (60, 5)


def test_an_older_quota_also_carries_the_budget() -> None:
    quota = {"budget_usd": 12.5, "warning_threshold": 0.7}
    (key,) = bootstrap(api_keys=[{"tenant": "t", "prefix": "p", "quota": quota}]).api_keys
    assert (key.limit_nanousd, key.warning_threshold) == (12_500_000_000, 0.7)


def test_an_expiry_without_an_offset_is_utc() -> None:
    keys = [
        {"tenant": "t", "prefix": "p", "expires_at": "2027-01-01"},
        {"tenant": "t", "prefix": "q", "expires_at": "2027-01-01T00:00:00+02:00"},
    ]
    first, second = bootstrap(api_keys=keys).api_keys
    assert first.expires_at == datetime(2027, 1, 1, tzinfo=UTC)
    assert second.expires_at == datetime(2026, 12, 31, 22, tzinfo=UTC)


def test_the_budget_block_of_a_tenant_is_read_whole() -> None:
    (budget,) = bootstrap(
        tenant_budgets=[
            {
                "tenant": "demo",
                "budget_usd": 150.0,
                "warning_threshold": 0.75,
                "refresh_schedule": "rolling_30d",
                "alert_emails": ["finance@example.com"],
                "alert_cooldown": "90m",
            }
        ]
    ).tenant_budgets
    assert (budget.limit_nanousd, budget.alert_cooldown, budget.refresh_schedule) == (
        150 * 10**9,
        5400.0,
        "rolling_30d",
    )


def test_the_default_budget_may_be_unlimited() -> None:
    assert Config.model_validate({"budgets": {"default_usd": "unlimited"}}).budgets.default_nanousd is None


@pytest.mark.parametrize("size", ["25mb", "25", 25, "25 MB"])
def test_sizes_are_megabytes(size: Any) -> None:
    assert Config.model_validate({"server": {"body_limit_mb": size}}).server.body_limit_mb == 25


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90m", 5400.0),
        ("1h30m", 5400.0),
        ("250ms", 0.25),
        ("7d", 604800.0),
        (30, 30.0),
        ("1.5", 1.5),
        ("1.5H", 5400.0),
    ],
)
def test_durations_are_seconds(text: Any, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "h", "1x", "-1s", "1h 30", True, None, [1], "1e3", "nan", "inf", -1])
def test_what_is_not_a_duration_is_refused(text: Any) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        parse_duration(text)


@given(st.integers(0, 99), st.integers(0, 59), st.integers(0, 59), st.integers(0, 999))
def test_the_parts_of_a_duration_add_up(hours: int, minutes: int, seconds: int, millis: int) -> None:
    exact = hours * 3600 + minutes * 60 + seconds + millis / 1000
    assert parse_duration(f"{hours}h{minutes}m{seconds}s{millis}ms") == pytest.approx(exact)


def test_a_fallback_to_a_row_of_another_machine_is_no_mistake_and_not_asked(tmp_path: Path) -> None:
    catalog = [
        {**ROW, "fallbacks": {"unavailable": ["b", "c"], "content_filter": ["b"]}},
        {**ROW, "alias": "b", "requires_env": "KEY"},
        {**ROW, "alias": "c"},
    ]
    (tmp_path / "router.yaml").write_text(yaml.safe_dump({"model_catalog": catalog}))
    [here, _] = load({}, tmp_path).model_catalog
    assert (here.fallbacks.unavailable, here.fallbacks.content_filter) == (("c",), ())
    [there, _, _] = load({"KEY": "k"}, tmp_path).model_catalog
    assert (there.fallbacks.unavailable, there.fallbacks.content_filter) == (("b", "c"), ("b",))


@pytest.mark.parametrize("member", ["user", "model", "messages", "PROMPT_CACHE_KEY", "x"])
def test_a_member_that_names_no_cache_is_refused(member: str) -> None:
    with pytest.raises(ValueError, match="is not known"):
        rows({**ROW, "metadata": {"cache_member": member}})


@pytest.mark.parametrize(
    "metadata",
    [{"cap_member": "max_token"}, {"cap_member": ""}, {"stream_usage": "never"}, {"stream_usage": "true"}],
)
def test_unknown_kinds_of_additions_are_refused(metadata: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="is not known"):
        rows({**ROW, "metadata": metadata})


def test_reasoning_models_have_the_time_that_they_need_by_default(tmp_path: Path) -> None:
    found = load({}, tmp_path)
    server = found.server
    [row] = rows(ROW)
    assert row.timeouts.first_byte >= 300
    assert row.timeouts.idle >= 120
    assert server.provider_timeout >= 600
    assert min(server.sync_timeout, server.stream_max_duration, row.timeouts.total) >= 900
    usual = Timeouts()
    assert (usual.first_byte, usual.idle, usual.total) == (
        row.timeouts.first_byte,
        row.timeouts.idle,
        row.timeouts.total,
    )
    assert usual.answer == server.provider_timeout
