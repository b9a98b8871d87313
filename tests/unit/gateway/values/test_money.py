"""Amounts as text: exact, at least to the cent, never a float."""

from __future__ import annotations

from decimal import Decimal

import pytest

from gateway.values.money import LARGEST_NANOUSD, cents, in_usd, usd, usd_aligned, usd_exact


@pytest.mark.parametrize(
    ("nanousd", "text", "aligned", "number"),
    [
        (0, "0.00", "0.000000000", "0"),
        (1, "0.000000001", "0.000000001", "0.000000001"),
        (500_000_000, "0.50", "0.500000000", "0.5"),
        (1_500_000_000, "1.50", "1.500000000", "1.5"),
        (20_000_000_000, "20.00", "20.000000000", "20"),
        (-1_500_000_001, "-1.500000001", "-1.500000001", "-1.500000001"),
        (LARGEST_NANOUSD, "9000000.00", "9000000.000000000", "9000000"),
    ],
)
def test_amounts_are_exact(nanousd, text, aligned, number):
    assert (usd(nanousd), usd_exact(nanousd), usd_aligned(nanousd)) == (text, text, aligned)
    assert f"{in_usd(nanousd):f}" == number
    assert in_usd(nanousd) == Decimal(nanousd) / 10**9


def test_amounts_of_a_receipt_may_have_parts_of_a_nano_usd():
    assert [usd_exact("0.5"), usd_exact("1500000000"), usd_exact("12.25")] == [
        "0.0000000005",
        "1.50",
        "0.00000001225",
    ]


def test_units_other_than_nano_usd_are_shown_in_usd():
    assert f"{in_usd(2_500_000, 10**6):f}" == "2.5"
    assert f"{in_usd(1, 10**15):f}" == "0.000000000000001"


def test_cents_are_rounded_up():
    assert [cents(0), cents(1), cents(10_000_000), cents(10_000_001)] == ["0", "1", "1", "2"]
