"""`manage.py check` repeats the configuration's warnings with ids and hints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml

from gateway.checks import messages_of
from gateway.config import ConfigError, load

if TYPE_CHECKING:
    from pathlib import Path


def test_each_warning_has_an_id_and_a_hint(tmp_path: Path) -> None:
    row = {"alias": "a", "provider": "openai", "provider_model": "m", "price_input": 0, "endpoint": "nowhere"}
    keys = {
        "admin": {"session": {"jwt_secret": "change-me"}},
        "metering": {"allow_volatile": True},
        "database": {"migrations_dir": "./sql"},
        "model_catalog": [row],
    }
    (tmp_path / "router.yaml").write_text(yaml.safe_dump(keys))
    found = messages_of(load({}, tmp_path))
    assert [message.id for message in found] == [f"gateway.W00{number}" for number in range(1, 6)]
    assert all(message.hint for message in found)


def test_rows_whose_calls_could_not_be_bounded_are_named(tmp_path: Path) -> None:
    base = {"provider": "openai-compatible", "endpoint": "http://x/v1", "provider_model": "m"} | {
        "modalities": ["text"]
    }
    rows = [
        {**base, "alias": "half", "price_input": 0.01, "context_window": 1000, "max_output_tokens": 9},
        {**base, "alias": "wide", "price_input": 0.01, "price_output": 0.01, "max_output_tokens": 9},
        {**base, "alias": "long", "price_input": 0.01, "price_output": 0.01, "context_window": 1000},
        {**base, "alias": "fine", "price_input": 0.01, "price_output": 0.01, "context_window": 1000},
        {**base, "alias": "fine", "free": True, "max_output_tokens": 9, "deployment": "gift"},
        {**base, "alias": "fine", "price_input": 0.01, "price_output": 0.01, "context_window": 1000}
        | {"max_output_tokens": 9, "deployment": "second"},
        {**base, "alias": "free", "free": True},
        {**base, "alias": "known", "provider": "openai", "provider_model": "gpt-5.2", "api_key": "k"},
    ]
    (tmp_path / "router.yaml").write_text(yaml.safe_dump({"model_catalog": rows}))
    found = [(message.id, str(message.msg).partition("/")[0]) for message in messages_of(load({}, tmp_path))]
    assert found == [
        ("gateway.W021", "half"),
        ("gateway.W022", "wide"),
        ("gateway.W025", "long has no known max_output_tokens"),
    ]


@pytest.mark.parametrize(
    ("provider", "model", "prices", "said"),
    [
        ("openai", "gpt-4o-mini", {"price_input": 0.15, "price_output": 0.6}, ["150", "600"]),
        (
            "openai",
            "gpt-4o-mini",
            {"price_input": 0.00015, "price_output": 0.0006, "price_per": "1m"},
            ["0.00015", "0.0006"],
        ),
        ("azure", "gpt-4o-mini", {"price_input": 0.15, "price_output": 0.0006}, ["150"]),
        ("openai-compatible", "m", {"price_input": 2.5, "price_output": 10}, ["2500", "10000"]),
        ("openai", "gpt-4o-mini", {"price_input": 0.00015, "price_output": 0.0006}, []),
        ("openai", "gpt-4o-mini", {"price_input": 0.15, "price_output": 0.6, "price_per": "1m"}, []),
        ("openai", "gpt-4o-mini", {"price_input": 0.003, "price_output": 0.012}, []),  # dear, not a slip
        ("openai", "gpt-4o-mini", {}, []),
        ("openai-compatible", "m", {"price_input": 0.15, "price_output": 0.6}, ["150", "600"]),
        (
            "openai-compatible",
            "m",
            {"price_input": 0.03, "price_output": 0.18},
            [],
        ),  # expensive, and unknown
        ("openai-compatible", "m", {"price_input": 60, "price_output": 181, "price_per": "1m"}, ["181"]),
        ("openai-compatible", "m", {"price_input": 0.000001, "price_output": 0}, []),
    ],
)
def test_a_price_in_the_other_unit_is_named(
    tmp_path: Path, provider: str, model: str, prices: dict[str, Any], said: list[str]
) -> None:
    row = {"alias": "a", "provider": provider, "provider_model": model, "api_key": "k"} | prices
    if provider != "openai":
        row["endpoint"] = "https://example.com/v1"
    (tmp_path / "router.yaml").write_text(yaml.safe_dump({"model_catalog": [row]}))
    found = [str(each.msg) for each in messages_of(load({}, tmp_path)) if each.id == "gateway.W027"]
    assert [message.partition(" comes to ")[2].split()[0] for message in found] == said


def test_models_with_poorly_bounded_pictures_are_named(tmp_path: Path) -> None:
    base = {"provider": "openai-compatible", "endpoint": "http://x/v1", "price_input": 1, "price_output": 1}
    base |= {"context_window": 1000, "modalities": ["text", "image"], "provider_model": "m"}
    rows = [
        {**base, "alias": "guessed"},
        {**base, "alias": "stated", "facts": {"image_max_tokens": 900}},
        {**base, "alias": "family", "provider_model": "vendor/gpt-4o-mini"},
        {**base, "alias": "hidden", "provider": "azure", "provider_model": "production"},
        {**base, "alias": "blind", "modalities": ["text"]},
        {name: value for name, value in base.items() if name != "modalities"} | {"alias": "unsaid"},
        {**base, "alias": "null", "modalities": None},
        {**base, "alias": "heard", "modalities": ["text", "audio"]},
        {**base, "alias": "wide", "facts": {"image_max_tokens": 1000, "pdf_page_max_tokens": 1001}},
    ]
    (tmp_path / "router.yaml").write_text(yaml.safe_dump({"model_catalog": rows}))
    found = [(message.id, str(message.msg).partition("/")[0]) for message in messages_of(load({}, tmp_path))]
    of_pictures = [(name, alias) for name, alias in found if name in {"gateway.W023", "gateway.W024"}]
    assert of_pictures == [
        ("gateway.W023", "guessed"),
        ("gateway.W023", "unsaid"),
        ("gateway.W023", "null"),
        ("gateway.W024", "wide"),
    ]


@pytest.mark.parametrize(
    "facts", [{"image_max_tokens": 0}, {"image_max_tokens": "many"}, {"images": 1}, [900]]
)
def test_facts_that_are_none_are_refused(tmp_path: Path, facts: object) -> None:
    row = {"alias": "a", "provider": "openai", "provider_model": "gpt-4o", "facts": facts}
    (tmp_path / "router.yaml").write_text(yaml.safe_dump({"model_catalog": [row]}))
    with pytest.raises(ConfigError, match="facts"):
        load({}, tmp_path)


def test_a_good_configuration_has_nothing_to_say(tmp_path: Path) -> None:
    assert messages_of(load({}, tmp_path)) == []


def test_a_data_dir_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    assert [message.id for message in messages_of(load({}, tmp_path))] == ["gateway.E001"]


def test_a_back_office_on_every_address_is_named(tmp_path: Path) -> None:
    for address in ("0.0.0.0:9000", ":9000", "[::]:9000"):
        found = messages_of(load({"ROUTER_SERVER_ADMIN_ADDR": address}, tmp_path))
        assert [message.id for message in found] == ["gateway.W012"], address
    assert messages_of(load({"ROUTER_SERVER_ADMIN_ADDR": "10.0.0.5:9000"}, tmp_path)) == []


@pytest.mark.parametrize(
    ("calls", "office", "said"),
    [
        ("127.0.0.1:8080", "127.0.0.1:8080", "is server.listen_addr too"),
        (":8080", "0.0.0.0:8080", "is server.listen_addr too"),
        ("0.0.0.0:8080", "127.0.0.1:8080", "want the same port 8080"),
        ("127.0.0.1:8080", ":8080", "want the same port 8080"),
        ("[::]:8080", "127.0.0.1:8080", "want the same port 8080"),
        ("10.0.0.5:8080", "[::]:8080", "want the same port 8080"),
        ("localhost:8080", "127.0.0.1:8080", "is server.listen_addr too"),
        ("[::1]:8080", "[::1]:8080", "is server.listen_addr too"),
        (":8080", "localhost", "is not an address to listen on"),
        (":8080", "127.0.0.1:99999", "is not an address to listen on"),
    ],
)
def test_a_back_office_needs_another_address(tmp_path: Path, calls: str, office: str, said: str) -> None:
    with pytest.raises(ConfigError, match=f"server.admin_addr.*: .*{said}"):
        load({"ROUTER_SERVER_LISTEN_ADDR": calls, "ROUTER_SERVER_ADMIN_ADDR": office}, tmp_path)
