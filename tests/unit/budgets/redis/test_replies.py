"""Each reply that a script may give has its type, and no other is accepted."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import get_args, get_type_hints

import msgspec
import pytest

from budgets.redis import commands, snapshot
from budgets.redis.client.scripts import read_sources
from budgets.redis.commands import ADMIT, RAISE_HOLD, SETTLE, Command
from budgets.redis.replies import (
    BudgetMoney,
    Granted,
    NeedsRecovery,
    Raised,
    ScopeRates,
    Settled,
    TokensRefused,
    UnknownWindows,
)

MONEY = [[700, 20, 5, 2, 3], [0, 0, 0, 0, 0], [9, 1, 0, 1, 0, 1_785_542_400, 4]]
RATES = [[3, 900, 1000], [0, 0, -1]]


def named() -> dict[str, tuple[Command[object], dict[str, type]]]:
    """Return each command by the name of its script, with the types of its reply by status."""
    found = {}
    for module in (commands, snapshot):
        for name, hint in get_type_hints(module).items():
            if name.isupper() and isinstance(command := getattr(module, name), Command):
                [outcomes] = get_args(hint)
                kinds = get_args(outcomes) or (outcomes,)
                found[command.name] = command, {kind.__struct_config__.tag: kind for kind in kinds}
    return found


COMMANDS = named()


def packed(status: str, detail: Sequence[object], *readings: Sequence[object]) -> bytes:
    return msgspec.msgpack.encode([status, 1000.5, 1_785_600_000, detail, *(readings or ([], []))])


def test_every_script_is_a_command():
    assert sorted(COMMANDS) == sorted(name for name in read_sources() if "/" not in name)


@pytest.mark.parametrize("name", sorted(set(COMMANDS) - {"release_worker"}))
def test_a_command_knows_every_status_of_its_script(name):
    header = read_sources()[name].partition("Reply:")[2].partition("Effects")[0]
    assert set(COMMANDS[name][1]) == set(re.findall(r'^    "(\w+)" +\{', header, re.MULTILINE))


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_a_status_selects_its_type(name):
    command, kinds = COMMANDS[name]
    details: dict[str, list[object]] = {"counted": [[], []]}
    details |= {status: [0, -1] for status in ("parallel", "requests", "tokens")}
    details |= {status: [1] for status in ("budget", "reserved", "begun", "many")}
    for status, kind in kinds.items():
        assert type(command.decode(packed(status, details.get(status, [])))) is kind


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_an_unknown_status_is_an_error(name):
    with pytest.raises(msgspec.ValidationError, match="Invalid value 'perhaps'"):
        COMMANDS[name][0].decode(packed("perhaps", []))


def test_a_status_of_another_script_is_an_error():
    with pytest.raises(msgspec.ValidationError, match="Invalid value 'settled'"):
        ADMIT.decode(packed("settled", [], RATES, MONEY))


def test_the_same_status_of_two_scripts_has_two_types():
    assert type(ADMIT.decode(packed("granted", [1000, 1001], RATES, MONEY))) is Granted
    assert type(RAISE_HOLD.decode(packed("granted", []))) is Raised


def test_a_reply_has_names():
    granted = ADMIT.decode(packed("granted", [1000, 1001], RATES, MONEY))
    assert granted == Granted(
        1000.5,
        1_785_600_000.0,
        [1000, 1001],
        [ScopeRates(3, 900, 1000), ScopeRates(0, 0, -1)],
        [
            BudgetMoney(700, 20, 5, 2, 3),
            BudgetMoney(0, 0, 0, 0, 0),
            BudgetMoney(9, 1, 0, 1, 0, 1_785_542_400.0, 4),
        ],
    )
    refused = ADMIT.decode(packed("tokens", [1, 990], RATES, MONEY))
    assert isinstance(refused, TokensRefused)
    assert (refused.excess.place, refused.excess.freed_by) == (1, 990)
    unknown = ADMIT.decode(packed("unknown", [17_000, 2, 0, 3]))
    assert isinstance(unknown, UnknownWindows)
    assert (unknown.age, unknown.places) == ((17_000, 2), [0, 3])
    assert isinstance(SETTLE.decode(packed("settled", [], RATES, MONEY)), Settled)
    assert isinstance(SETTLE.decode(packed("rebuild", [])), NeedsRecovery)


def test_the_rest_of_the_minute_is_counted_from_the_newest_second():
    assert ScopeRates(3, 900, 1000).full_reset_ms(1000.5) == 60_500
    assert ScopeRates(0, 0, -1).full_reset_ms(1000.5) == 0
