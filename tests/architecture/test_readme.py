"""README.md promises the providers, the endpoints and the commands that the program has, and its example is good."""

from __future__ import annotations

import re

import yaml
from django.core.management import get_commands

from gateway.api import HOT
from gateway.config import Config, load
from providers.registry import PROVIDERS
from tests.support.sources import ROOT

PAGE = (ROOT / "README.md").read_text()


def example() -> str:
    return PAGE.partition("## Your own gateway")[2].partition("```yaml\n")[2].partition("```")[0]


def test_the_table_has_every_provider_and_every_endpoint_that_are_served():
    head, _, *rows = PAGE.partition("## What works today\n\n")[2].partition("\n\n")[0].splitlines()
    assert re.findall(r"`(/v1/[a-z/]+)`", head) == list(HOT)
    assert {re.findall(r"`([a-z-]+)`", row)[0] for row in rows} == set(PROVIDERS)
    for row in rows:
        name = re.findall(r"`([a-z-]+)`", row)[0]
        types = PROVIDERS[name].model_types or {"llm", "embedding"}
        needed = ["embedding" if path == "/v1/embeddings" else "llm" for path in HOT]
        expected = ["yes" if each in types else "no" for each in needed]
        assert [cell.strip() for cell in row.split("|")[2:-1]] == expected


def test_the_example_is_a_configuration_without_a_warning(tmp_path):
    (tmp_path / "router.yaml").write_text(example())
    config = load(
        {"OPENAI_API_KEY": "sk-proj-of-nobody-1234567890", "ROUTER_DATA_DIR": str(tmp_path)}, tmp_path
    )
    assert [row.alias for row in config.model_catalog if not row.problem] == ["gpt-4o-mini"]
    assert [tenant.name for tenant in config.bootstrap.tenants] == ["my-team"]
    assert config.warnings == ()
    assert "secret" not in yaml.safe_load(example())["bootstrap"]


def test_every_command_that_it_names_is_there():
    named = set(re.findall(r"manage\.py ([a-z_]+)", PAGE))
    assert named - set(get_commands()) == set()


def block_of(page: str, language: str) -> str:
    return page.partition(f"```{language}\n")[2].partition("```")[0]


def test_the_proxy_of_both_pages_is_the_same_and_has_the_gateways_limits():
    nginx = block_of(PAGE, "nginx")
    assert block_of((ROOT / "docs/operations.md").read_text(), "nginx") == nginx
    server = Config().server
    assert f"proxy_read_timeout {server.sync_timeout:g}s;" in nginx
    assert f"client_max_body_size {server.body_limit_mb:g}m;" in nginx
