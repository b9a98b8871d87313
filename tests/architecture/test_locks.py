"""A lock installs with every pip, today and after any later release: all that is asked for is pinned in it.

Resolved offline from the metadata of what is installed. pip 23.2 looks for `name[extra]` as a thing of its own: where
another package asks for it and the lock only names `name`, it takes the newest release and stops for want of a hash.
"""

from __future__ import annotations

import re
from importlib import metadata

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support.sources import ROOT

SETS = {"base": ("base",), "production": ("base", "production"), "dev": ("base", "production", "dev")}
PYTHONS = ("3.11.0", "3.11.7", "3.12.1", "3.13.0")
MOST_TO_SERVE = 40


def locked(name):
    """Return the requirements of one lock, without their hashes."""
    text = (ROOT / "requirements" / f"{name}.txt").read_text()
    return [Requirement(line.rstrip(" \\")) for line in text.splitlines() if re.match(r"[a-z0-9]", line)]


def together(names):
    """Return all requirements of the locks that are installed together, by canonical name."""
    return by_name(each for name in names for each in locked(name))


def by_name(requirements):
    found: dict[str, list[Requirement]] = {}
    for requirement in requirements:
        found.setdefault(canonicalize_name(requirement.name), []).append(requirement)
    return found


def environment(python):
    return {
        **default_environment(),
        "python_version": python.rpartition(".")[0],
        "python_full_version": python,
    }


def holds(requirement, place, extra=""):
    return requirement.marker is None or requirement.marker.evaluate({**place, "extra": extra})


def asked_by(requirement, place):
    """Yield what an installed package, with its extras, asks for on this Python."""
    for line in metadata.requires(requirement.name) or ():
        wanted = Requirement(line)
        if any(holds(wanted, place, extra) for extra in ("", *requirement.extras)):
            yield wanted


def faults(pins, python):
    """Yield the requirements that are not pinned."""
    place = environment(python)
    for requirement in (each for pin in pins.values() for each in pin):
        if not holds(requirement, environment(default_environment()["python_full_version"])):
            continue  # for another Python: not here to be asked
        for wanted in asked_by(requirement, place):
            given = [pin for pin in pins.get(canonicalize_name(wanted.name), ()) if holds(pin, place)]
            version = next((str(pin.specifier).removeprefix("==") for pin in given), None)
            extras = {extra for pin in given for extra in pin.extras}
            if version is None or not wanted.specifier.contains(version, prereleases=True):
                yield f"{requirement.name} asks for {wanted}, pinned is {version}"
            elif not wanted.extras <= extras:
                yield f"{requirement.name} asks for {wanted}, pinned are the extras {sorted(extras)}"


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("name", SETS)
def test_everything_that_is_asked_for_is_pinned(name, python):
    assert sorted(faults(together(SETS[name]), python)) == []


@pytest.mark.parametrize("name", SETS)
def test_what_is_installed_is_what_is_locked(name):
    here = environment(default_environment()["python_full_version"])
    for requirement in (each for each in locked(name) if holds(each, here)):
        assert requirement.specifier.contains(metadata.version(requirement.name), prereleases=True), (
            requirement
        )


@pytest.mark.parametrize("name", SETS)
def test_two_locks_never_disagree(name):
    for pins in together(SETS[name]).values():
        assert len({str(pin.specifier) for pin in pins}) == 1, pins


def test_serving_needs_few_packages_and_each_states_its_reason():
    assert len(locked("base")) <= MOST_TO_SERVE
    for name in SETS:
        lines = (ROOT / "requirements" / f"{name}.in").read_text().splitlines()
        assert [
            line for line in lines if line[:1].isalpha() and "  # " not in line and " # " not in line
        ] == []


def test_lock_check_finds_an_extra_that_is_not_pinned():
    pins = by_name(
        Requirement(f"{name}=={metadata.version(name)}") for name in ("pytest-cov", "coverage", "pytest")
    )
    assert any("coverage[toml]" in fault for fault in faults(pins, "3.11.7"))
