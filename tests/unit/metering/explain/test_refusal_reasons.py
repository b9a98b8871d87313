"""Every error code that the gateway itself gives has a sentence for its operator, and no other code has one."""

from __future__ import annotations

import ast
import re
from functools import cache

import pytest

from gateway.http.errors import ERRORS
from gateway.http.paths import NOT_FOUND, UNSUPPORTED
from gateway.parsing import body_limits
from metering.explain.refusal_reasons import OF_CODES, PASSED_ON, reasons
from providers.errors.exceptions import _WORDS
from tests.support.sources import SOURCES, is_ours, text_of, tree_of

RAISED = {"BadRequest", "Unacceptable"}  # their third argument is a code
MAY_NAME = re.compile(rf"\bcode=|\b({'|'.join(RAISED)})\(")
OF_ENDS = {
    "client_disconnected",
    "internal_error",
    "key_revoked",
}  # of no row: the handler and the background tasks give them


@cache
def literals():
    """Return the codes that are written where something is raised or decided."""
    found = set()
    for path in SOURCES:
        if not is_ours(path) or "simulator" in path.parts or not MAY_NAME.search(text_of(path)):
            continue
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.Call):
                given = [arg.value for arg in node.keywords if arg.arg == "code"]
                if getattr(node.func, "id", "") in RAISED:
                    given += node.args[2:3]
                found |= {
                    each.value
                    for each in given
                    if isinstance(each, ast.Constant) and isinstance(each.value, str) and each.value
                }
    return found


def codes():
    of_limits = {code for *_, code in body_limits._WORDS.values()}  # noqa: SLF001 - the table itself
    return (
        {row.code for row in ERRORS.values()}
        | set(_WORDS)
        | of_limits
        | {NOT_FOUND, UNSUPPORTED}
        | literals()
        | OF_ENDS
    )


def test_every_code_has_a_sentence():
    assert codes() - set(OF_CODES) == set()


OF_CLASSES = {"context_length_exceeded", "duplicate_parameter", "unbounded_parameter", "too_many_pictures"}


def test_no_sentence_is_of_a_code_that_is_gone():
    assert set(OF_CODES) - codes() - OF_CLASSES == set()


@pytest.mark.parametrize("code", OF_CODES)
def test_a_sentence_ends(code):
    [said] = reasons(code, {})
    assert said.endswith(".")


def test_a_code_of_a_provider_is_said_to_be_theirs():
    assert list(reasons("content_policy_violation", {})) == [PASSED_ON]


def test_an_answer_has_no_reason():
    assert list(reasons("", {})) == []


FIGURES = (
    ({"key": {"is": "expired"}}, "The key has expired."),
    ({"key": {"is": "of a later release"}}, ""),
    ({"model": {"is": "disabled"}}, "The model is in the catalog, and is disabled."),
    ({"not_in": ["key", "tenant"]}, "It is not in the list of the key and tenant."),
    ({"considered": [{"model": "m", "deployment": "d", "why": "no API key"}]}, "d of m: no API key."),
    (
        {"considered": [{"model": "m", "deployment": "", "why": "it has no deployment"}]},
        "The model m: it has no deployment.",
    ),
)


@pytest.mark.parametrize(("figures", "said"), FIGURES)
def test_figures_are_shown(figures, said):
    assert list(reasons("not_found", figures))[1:] == [said]
