"""A bad number, date or list is refused with a sentence and an example; so is a value that is too large."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml

from gateway.config import ConfigError, load

if TYPE_CHECKING:
    from pathlib import Path

DURATIONS = "write it like 250ms, 30s, 90m, 1h30m, 7d, or a plain number of seconds"
DATES = "write it like 2027-01-31 or 2027-01-31T18:00:00+01:00"
NUMBERS = "decimals have a point, and no unit or currency stands beside them, like 0.15"
ROW = {"alias": "a", "provider": "openai", "provider_model": "m"}


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        (
            {"server": {"trusted_proxies": "10.0.0.0/8"}},
            "server.trusted_proxies: should be a list (it says '10.0.0.0/8'; write it like [one, another])",
        ),
        ({"server": {"workers": "two"}}, "server.workers: should be a whole number (it says 'two')"),
        ({"server": {"workers": 1.5}}, "server.workers: should be a whole number (it says '1.5')"),
        ({"server": {"debug": "maybe"}}, "server.debug: should be true or false (it says 'maybe')"),
        (
            {"model_catalog": [{**ROW, "price_input": "0,15"}]},
            f"model_catalog[0].price_input: should be a number (it says '0,15'; {NUMBERS})",
        ),
        (
            {"model_catalog": [{**ROW, "price_input": "$0.15"}]},
            f"model_catalog[0].price_input: should be a number (it says '$0.15'; {NUMBERS})",
        ),
        (
            {"budgets": {"warning_threshold_perc": "80%"}},
            f"budgets.warning_threshold_perc: should be a number (it says '80%'; {NUMBERS})",
        ),
        (
            {"bootstrap": {"api_keys": [{"tenant": "t", "name": "n", "expires_at": "soon"}]}},
            f"bootstrap.api_keys[0].expires_at: should be a date (it says 'soon'; {DATES})",
        ),
        ({"data_dir": ["x"]}, "data_dir: should be the path of a directory"),
        (
            {"model_catalog": [{**ROW, "experiment": {"arms": {"a": 1}}}]},
            "model_catalog[0].experiment.arms: should have at least 2 entries",
        ),
        (
            {"admin": {"session": {"max_age": 10**22}}},
            f"admin.session.max_age: is longer than 10 years ({DURATIONS})",
        ),
        (
            {"server": {"sync_timeout": "9999999w"}},
            f"server.sync_timeout: is longer than 10 years ({DURATIONS})",
        ),
        (
            {"retention": {"metadata_days": 10**9}},
            "retention.metadata_days: should be less than or equal to 36500 (it says '1000000000')",
        ),
        (
            {"server": {"max_inflight": 10**22}},
            "server.max_inflight: should be less than or equal to 1000000000000 (it says '10000000000000000000000')",
        ),
    ],
)
def test_an_invalid_value_is_explained_with_the_right_form(
    tmp_path: Path, keys: dict[str, Any], said: str
) -> None:
    (tmp_path / "router.yaml").write_text(yaml.safe_dump(keys))
    with pytest.raises(ConfigError) as refused:
        load({}, tmp_path)
    assert str(refused.value) == said
