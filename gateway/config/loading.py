"""Builds the configuration from its sources, or says everything that is wrong with them. Once a process, about 20 ms."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from gateway.config.crosschecks import problems_of, warnings_of
from gateway.config.entries import ModelEntry
from gateway.config.model import Config
from gateway.config.problems import ConfigError, Problem, explain
from gateway.config.sources import (
    Expansion,
    Location,
    find_file,
    overlay,
    read_file,
    read_overrides,
    read_variables,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

_NEEDED = frozenset(name for name, field in ModelEntry.model_fields.items() if field.is_required())


def load(environ: Mapping[str, str] | None = None, cwd: Path | None = None) -> Config:
    """Return the configuration; raise ConfigError with one line for each thing wrong with it."""
    cwd = (cwd or Path.cwd()).resolve()
    variables = read_variables(os.environ if environ is None else environ, cwd)
    file = find_file(variables, cwd)
    overrides, problems = read_overrides(variables, Config)
    expansion = Expansion(variables)
    keys: dict[str, Any] = expansion.expand(read_file(file) if file else {})
    unset = {
        location: name for location, name in expansion.unset.items() if not _covered(location, overrides)
    }
    in_rows = {location for location in unset if _in_row(location)}
    problems += [expansion.problem(location) for location in unset if location not in in_rows]
    _forget(keys, in_rows)
    overlay(keys, overrides)
    problems += _reserved(keys)
    try:
        config = Config.model_validate(keys)
    except ValidationError as error:
        told = {problem.where for problem in problems}
        raise ConfigError([*problems, *(p for p in explain(error, Config) if p.where not in told)]) from None
    config = _completed(
        config, file, cwd, variables, {location: expansion.problem(location) for location in in_rows}
    )
    problems += problems_of(config)
    if problems:
        raise ConfigError(problems)
    return config.model_copy(update={"warnings": warnings_of(config)})


def _covered(location: Location, overrides: Mapping[tuple[str, ...], Any]) -> bool:
    return any(location[: len(path)] == path for path in overrides)


def _in_row(location: Location) -> bool:
    """Tell whether an unset variable costs only its row of the catalog: those rows disable themselves."""
    return location[0] == "model_catalog" and len(location) > 2 and location[2] not in _NEEDED  # noqa: PLR2004 - (list, index, key)


def _forget(keys: dict[str, Any], locations: set[Location]) -> None:
    """Drop the values that could not be expanded, so that the rest of their row can still be checked."""
    for location in locations:
        node: Any = keys
        for part in location[:-1]:
            node = node[part]
        node[location[-1]] = None if isinstance(node, dict) else ""


def _reserved(keys: dict[str, Any]) -> list[Problem]:
    """Refuse the names of fields that only the loader fills."""
    rows = keys.get("model_catalog")
    found = [name for name in ("warnings", "file") if name in keys]
    if isinstance(rows, list):
        found += [
            f"model_catalog[{i}].problem"
            for i, row in enumerate(rows)
            if isinstance(row, dict) and "problem" in row
        ]
    return [Problem(name, "unknown key") for name in found]


def _completed(
    config: Config,
    file: Path | None,
    cwd: Path,
    variables: Mapping[str, str],
    broken: Mapping[Location, Problem],
) -> Config:
    """Return the configuration with absolute paths, without rows that are not for this machine, with broken rows marked."""
    marks: dict[int | str, str] = {
        location[1]: f"{problem.where}: {problem.what}" for location, problem in broken.items()
    }
    rows = tuple(
        row.model_copy(update={"problem": marks[index]}) if index in marks else row
        for index, row in enumerate(config.model_catalog)
        if not row.requires_env or row.requires_env in variables
    )
    return config.model_copy(
        update={"data_dir": cwd / config.data_dir.expanduser(), "file": file, "model_catalog": rows}
    )
