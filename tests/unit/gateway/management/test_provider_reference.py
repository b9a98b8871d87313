"""docs/providers agrees with the program: the matrix, the tables of parameters, and the facts of models."""

from __future__ import annotations

import pytest

from catalog.facts.defaults import known_models, load
from gateway.management.commands.provider_reference import FOLDER
from gateway.management.provider_reference import UnknownBlock, block, pages, rewritten, texts_of
from providers.conversation.parameters import PARAMETERS, Parameter, Treatment
from providers.conversation.registry import CLIENTS, UPSTREAMS
from providers.conversation.request import Conversation
from providers.dialects.choice import FACTORIES
from providers.model_facts import ModelFacts
from providers.registry import PROVIDERS

MOST = 3


@pytest.mark.parametrize("page", pages(FOLDER), ids=lambda page: page.name)
def test_the_pages_are_not_stale(page):
    text = page.read_text(encoding="utf-8")
    assert rewritten(text) == text, "stale: run `manage.py provider_reference --write`"


@pytest.mark.parametrize("api", UPSTREAMS)
def test_the_table_of_each_upstream_api_has_every_parameter_once(api):
    table = UPSTREAMS[api].parameters
    assert set(table) == set(PARAMETERS)
    for name, row in table.items():
        assert row.treatment is not Treatment.REFUSE or row.rule is None, name


@pytest.mark.parametrize("api", UPSTREAMS)
def test_a_parameter_with_a_rule_says_in_the_docs_what_is_refused(api):
    lines = dict(zip(UPSTREAMS[api].parameters, block("parameters", api).splitlines()[2:], strict=True))
    for name, row in UPSTREAMS[api].parameters.items():
        assert bool(lines[name].split(" | ")[-1].strip(" |")) is (row.rule is not None), name


def test_every_provider_and_client_api_is_in_the_matrix():
    head, _, *rows = block("matrix", "").splitlines()
    assert [cell.strip(" `") for cell in head.split("|")[2:-1]] == list(CLIENTS)
    assert {row.split("|")[1].split("`")[1] for row in rows} == set(PROVIDERS)
    assert "bytes pass" in next(row for row in rows if row.startswith("| `openai` |"))
    for client, api in FACTORIES:
        assert client not in CLIENTS or api in UPSTREAMS or any("bytes pass" in row for row in rows)


def test_every_listed_model_is_in_the_docs():
    index = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert [name for name in load().models if f"| `{name}` |" not in index] == []
    assert {known.everywhere["vendor"] for known in known_models().values()}


def test_a_place_without_a_table_is_an_error():
    for line in ("<!-- parameters: no_such_api -->", "<!-- models: nobody -->"):
        with pytest.raises(UnknownBlock):
            rewritten(f"a\n{line}\nold\n<!-- end -->\nb")


def test_only_the_block_is_replaced():
    page = rewritten("before\n<!-- matrix -->\nold\n<!-- end -->\nafter\n")
    assert page.startswith("before\n<!-- matrix -->\n\n| Provider |")
    assert page.endswith("\n\n<!-- end -->\nafter\n")
    assert "old" not in page
    assert rewritten(page) == page


def test_a_block_without_an_end_gets_one_and_takes_nothing_of_the_page():
    page = rewritten("<!-- matrix -->\n\nText.\n\n<!-- models: cohere -->\nold\n<!-- end -->\n")
    assert page.count("<!-- end -->") == 2
    assert "\n<!-- end -->\n\nText.\n\n<!-- models: cohere -->\n\n| Model |" in page
    assert rewritten(page) == page


def _rule(conversation: Conversation, _facts: ModelFacts) -> str:
    """Not a reason."""
    if conversation.n == MOST:
        return f"takes at most {MOST} of them"
    return "takes no such thing" if conversation.stop else ""


def test_the_reasons_of_a_rule_are_read_from_its_source():
    assert list(texts_of(_rule)) == ["takes at most 3 of them", "takes no such thing"]
    assert Parameter(Treatment.MAP, "x", _rule).rule is _rule
