"""docs/metrics.md has every metric of the program with its type and its labels, and no other."""

from __future__ import annotations

import ast
import re
from functools import cache

import pytest

from gateway.observability.metrics_aggregation import _WORST_IS_LEAST, _WORST_IS_MOST
from metering.ledger.crash_recovery import DIED
from tests.support.sources import ROOT, SOURCES, is_ours, text_of, tree_of

PAGE = (ROOT / "docs" / "metrics.md").read_text()
KINDS = {
    "tally": "counter",
    "counter": "counter",
    "Counter": "counter",
    "CounterMetricFamily": "counter",
    "Gauge": "gauge",
    "GaugeMetricFamily": "gauge",
    "Distribution": "histogram",
}
ROW = re.compile(r"\| `(gateway_\w+)` \| (\w+) \|([^|]*)\| (\w+) \|")
SAMPLES = ("_bucket", "_sum", "_count")


def texts(nodes):
    return [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]


def labels_of(call):
    """Return the labels that a metric is made with: further texts of a tally, else a list."""
    if ast.unparse(call.func) == "tally":
        return tuple(texts(call.args[2:]))
    lists = [
        node for node in (*call.args, *(each.value for each in call.keywords)) if isinstance(node, ast.List)
    ]
    return tuple(texts(lists[0].elts)) if lists else ()


@cache
def in_the_program():
    """Return type and labels of every metric, by the name that it has in a scrape."""
    found = {}
    for path in SOURCES:
        if not is_ours(path) or '"gateway_' not in text_of(path):
            continue
        for node in ast.walk(tree_of(path)):
            if not isinstance(node, ast.Call) or ast.unparse(node.func) not in KINDS:
                continue
            for name in texts(node.args[:1]):
                if name.startswith("gateway_"):
                    kind = KINDS[ast.unparse(node.func)]
                    shown = f"{name}_total" if kind == "counter" else name
                    found[shown] = (kind, labels_of(node))
    return found


def on_the_page():
    rows = (ROW.match(line) for line in PAGE.splitlines())
    return {row[1]: (row[2], tuple(re.findall(r"`(\w+)`", row[3]))) for row in rows if row is not None}


def test_the_page_has_every_metric_with_its_type_and_labels():
    assert on_the_page() == in_the_program()


def test_the_page_names_no_other_metric():
    named = {re.sub(f"({'|'.join(SAMPLES)})$", "", name) for name in re.findall(r"gateway_[a-z_]+", PAGE)}
    assert named - set(in_the_program()) == set()


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("*.md")), ids=lambda page: page.name)
def test_no_other_page_names_a_metric_that_is_gone(page):
    known = {name.removesuffix("_total") for name in in_the_program()}
    named = {name.removesuffix("_total") for name in re.findall(r"\bgateway_[a-z_]+\b", page.read_text())}
    assert named - known - {DIED} == set()  # an error code, no metric


def test_metrics_page_says_how_workers_are_added_up():
    ways = {row[1].removesuffix("_total"): row[4] for line in PAGE.splitlines() if (row := ROW.match(line))}
    not_summed = {name for name in _WORST_IS_LEAST | _WORST_IS_MOST if name.startswith("gateway_")}
    assert {name for name, way in ways.items() if way != "sum"} == not_summed
    assert set(ways.values()) == {"sum", "worst", "same"}
