"""The back office's markup is read without eval: as a browser would, and no further than the theme needs."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path
from typing import Any

import pytest
import unfold
from py_mini_racer import JSPromise, MiniRacer

from tests.support.sources import ROOT

SCRIPT = ROOT / "gateway" / "static" / "gateway" / "expressions.js"
HERE = Path(__file__).parent
THEME = Path(unfold.__file__).parent / "templates"
DIRECTIVE = re.compile(
    r"\s(?:x-(?:data|show|text|init|model|if|effect|html|bind|sort|resize|anchor)[\w.:-]*|x-on:[\w.:-]+|@[\w.:-]+|:[a-z-]+)"
    r'="([^"]*)"'
)
SCOPE = {"count": 3, "open": False, "tab": "general", "item": {"list": [1, 2, {"deep": "x"}]}, "word": "it's"}


def run(*expressions: str) -> list[dict[str, Any]]:
    browser = MiniRacer()
    for file in (HERE / "expressions_before.js", SCRIPT, HERE / "expressions_after.js"):
        browser.eval(file.read_text())
    asked = json.dumps({"expressions": expressions, "scope": SCOPE})
    promise = browser.eval(f"answers({asked})")
    assert isinstance(promise, JSPromise)
    found: list[dict[str, Any]] = json.loads(str(promise.get(timeout=60)))
    return found


def of_the_theme() -> list[str]:
    found = set()
    for file in (*THEME.rglob("*.html"), *(ROOT / "templates").rglob("*.html")):
        text = re.sub(
            r"\{% if [^%]*%\}(.*?)\{% else %\}.*?\{% endif %\}", r"\1", file.read_text(), flags=re.DOTALL
        )
        text = re.sub(r"\{\{.*?\}\}", "1", re.sub(r"\{%.*?%\}", "", text, flags=re.DOTALL), flags=re.DOTALL)
        found |= {html.unescape(match) for match in DIRECTIVE.findall(text)}
    return sorted(found)


def test_every_expression_of_the_theme_can_be_read() -> None:
    expressions = of_the_theme()

    unread = [
        text
        for text, answer in zip(expressions, run(*expressions), strict=True)
        if answer["ours"].get("error") == "SyntaxError" and answer["real"].get("error") != "SyntaxError"
    ]

    assert len(expressions) > 100
    assert unread == []


@pytest.mark.parametrize(
    "expression",
    [
        "count + item.list[1] * 2 - 1 % 3",
        "open ? 'a' : tab == 'general' ? word : null",
        "open && missing || tab",
        "open ?? missing",
        "!open && typeof count === 'number'",
        "count >= 3 && count !== '3' && count < 4",
        "{'is open': !open, tab, 1: -count}",
        "[count, [open], 'a\\'b', \"c\"]",
        "open = !open",
        "count += 2",
        "item.list[2].deep = 'y'; count++; count--",
        "double(5)",
        "item.list.slice(0, 2).map(each => each + count)",
        "item.list.filter((each, index) => index > 0).length",
        "['general', 'x'].includes(tab) && (count = 9)",
        "item.none?.deep",
        "if (count === 3) { open = true; tab = 'x' } else { tab = 'y' }",
        "if (open) { count = 1 } else if (count > 2) count = 7",
        "tab !== 'general' ? window.location.pathname + '#' + tab : window.location.pathname + window.location.search",
        "Math.max(count, 10) + parseInt('7px')",
    ],
)
def test_an_expression_means_what_it_means_in_a_browser(expression: str) -> None:
    [answer] = run(expression)

    assert answer["ours"] == answer["real"]
    assert "error" not in answer["ours"]


@pytest.mark.parametrize(
    "gadget",
    [
        "alert(1)",
        "window.alert(1)",
        "document.cookie",
        "fetch('/admin/')",
        "item.constructor",
        "item['constr' + 'uctor']",
        "double.constructor('return 1')()",
        "[].map.constructor('alert(1)')",
        "item.__proto__",
        "globalThis.alert",
        "eval('1')",
        "Function('return 1')()",
        "new Date()",
        "import('x')",
        "() => this",
    ],
)
def test_expressions_reach_no_other_objects(gadget: str) -> None:
    [answer] = run(gadget)

    assert "error" in answer["ours"] or answer["ours"].get("value") in (None, "function")
