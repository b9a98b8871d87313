"""Builds the configuration from its sources, or reports every problem in them; a few ms, once."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from gateway.config.checks.addresses import wrong_address
from gateway.config.errors import ConfigError, ConfigProblem, explain, path_text
from gateway.config.model import Config
from gateway.config.no_effect import without_effect
from gateway.config.normalization import around, is_sendable, tidy
from gateway.config.sections.model_catalog import ModelEntry
from gateway.config.sources import (
    ENDS,
    PREFIX,
    Expansion,
    find_file,
    overlay,
    read_file,
    read_overrides,
    read_variables,
)
from gateway.config.validation import fallback_problems, problems_of
from gateway.config.warnings import notes_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from gateway.config.sources import Location, Overrides

_NEEDED = frozenset(name for name, field in ModelEntry.model_fields.items() if field.is_required())


def load(environ: Mapping[str, str] | None = None, cwd: Path | None = None) -> Config:
    """Return the configuration; raise ConfigError with one line per problem."""
    cwd = (cwd or Path.cwd()).resolve()
    variables = read_variables(os.environ if environ is None else environ, cwd)
    file = find_file(variables, cwd)
    overrides, problems = read_overrides(variables, Config)
    expansion = Expansion(variables)
    keys: dict[str, Any] = expansion.expand(read_file(file) if file else {})
    unset = [location for location in expansion.unset if not _covered(location, overrides)]
    broken = {location: expansion.unset_problem(location) for location in unset if _in_row(location)}
    problems += expansion.problems
    problems += [expansion.unset_problem(location) for location in unset if location not in broken]
    _forget(keys, broken)
    overlay(keys, {path: value for path, (_, value) in overrides.items()})
    problems += _reserved(keys)
    tidied = (*_trimmed(variables, expansion), *tidy(keys, Config))
    try:
        config = Config.model_validate(keys)
    except ValidationError as error:
        named = {problem.where for problem in problems}
        remaining = [problem for problem in explain(error, Config) if problem.where not in named]
        raise ConfigError(*problems, *_with_variables(remaining, overrides)) from None
    problems += fallback_problems(config)
    config = _completed(config, variables, broken)
    named = {problem.where for problem in problems}
    problems += _with_variables([each for each in problems_of(config) if each.where not in named], overrides)
    if problems:
        raise ConfigError(*problems)
    place = {"data_dir": cwd / config.data_dir.expanduser(), "file": file, "tidied": tidied}
    config = config.model_copy(update={**place, "idle": tuple(without_effect(keys))})
    return config.model_copy(update={"warnings": tuple(str(note) for note in notes_of(config))})


def _trimmed(variables: Mapping[str, str], expansion: Expansion) -> Iterator[tuple[str, str]]:
    """Yield the used variables with a line end or similar around their value, and what was removed."""
    for name, text in variables.items():
        if name.startswith(PREFIX) and text != text.strip(ENDS):
            yield name, around(text)
    for name, location in expansion.trimmed.items():
        yield f"{path_text(location)} (${{{name}}})", around(variables[name])


def _covered(location: Location, overrides: Overrides) -> bool:
    return any(location[: len(path)] == path for path in overrides)


def _with_variables(problems: list[ConfigProblem], overrides: Overrides) -> list[ConfigProblem]:
    """Add the variable's name to the key if the environment set it."""
    names = {path_text(path): variable for path, (variable, _) in overrides.items()}
    return [
        replace(problem, where=f"{problem.where} ({names[problem.where]})")
        if problem.where in names
        else problem
        for problem in problems
    ]


def _in_row(location: Location) -> bool:
    """Return whether an unset variable affects only its row of the catalog: that row is disabled."""
    inside = location[0] == "model_catalog" and len(location) > 2  # noqa: PLR2004 - (list, index, key)
    return inside and location[2] not in _NEEDED


def _forget(keys: dict[str, Any], locations: Iterable[Location]) -> None:
    """Drop the values that could not be expanded, so that the rest of their row can still be checked."""
    for location in locations:
        node: Any = keys
        for part in location[:-1]:
            node = node[part]
        node[location[-1]] = None if isinstance(node, dict) else "unset"


def _reserved(keys: dict[str, Any]) -> list[ConfigProblem]:
    """Reject the names of fields that only the loader fills."""
    rows = keys.get("model_catalog")
    found: list[str] = [name for name in ("warnings", "file", "tidied", "idle") if name in keys]
    if isinstance(rows, list):
        marked = (i for i, row in enumerate(rows) if isinstance(row, dict) and "problem" in row)
        found += [f"model_catalog[{index}].problem" for index in marked]
    return [ConfigProblem(name, "unknown key") for name in found]


def _completed(
    config: Config, variables: Mapping[str, str], broken: Mapping[Location, ConfigProblem]
) -> Config:
    """Return the configuration without rows that are not for this machine, and with broken rows marked."""
    marks = {location[1]: f"{problem.where}: {problem.what}" for location, problem in broken.items()}
    rows = tuple(
        row.model_copy(
            update={"problem": marks.get(index) or _wrong_endpoint(row.endpoint) or _wrong_key(row.api_key)}
        )
        for index, row in enumerate(config.model_catalog)
        if not row.requires_env or row.requires_env in variables
    )
    if len(rows) < len(config.model_catalog):
        here = {row.alias for row in rows}
        rows = tuple(row.model_copy(update={"fallbacks": row.fallbacks.among(here)}) for row in rows)
    return config.model_copy(update={"model_catalog": rows})


def _wrong_key(api_key: str) -> str:
    if is_sendable(api_key):
        return ""
    return "api_key holds a line end or a letter that no header can carry; copy it again, in one line"


def _wrong_endpoint(endpoint: str) -> str:
    why = wrong_address(endpoint)
    return f"endpoint {why}" if why else ""
