"""Reads keys from a YAML file, `.env` and the environment. Does not validate values."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import yaml
from dotenv import dotenv_values
from typing_extensions import override

from gateway.config.errors import ConfigError, ConfigProblem, keys_of, nearest, path_text, section_in

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from pydantic import BaseModel

Location = tuple[int | str, ...]
Overrides = dict[tuple[str, ...], tuple[str, Any]]  # path -> (variable, value)

PREFIX = "ROUTER_"
FILE_VARIABLE = "ROUTER_CONFIG_FILE"
SHORTER_NAMES = {"ROUTER_DB_URL": "ROUTER_DATABASE_URL"}
FILES = ("router.yaml", "router.yml", "config/router.yaml", "config/router.yml")

_REFERENCE = re.compile(
    r"(?P<escaped>\$\$\{)|\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^}]*))?\}|\$\{"
)
ENDS = "\r\n\ufeff"  # around a variable's value: left over if a whole file was read into it
DEEPEST = 30  # levels of nesting; more means an anchor that contains itself
# Kubernetes gives every pod the address of a service named `router`, in variables that look like ours.
_SERVICE_LINK = re.compile(
    r"ROUTER_(.+_)?(SERVICE_(HOST|PORT)(_.+)?|PORT_\d+_(TCP|UDP)(_(PROTO|PORT|ADDR))?)"
)


class _WithoutTraps(yaml.constructor.SafeConstructor, yaml.resolver.Resolver):
    """YAML without two pitfalls: a repeated key is an error, and a date stays text."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - as the library declares it
        first: [(tag, pattern) for tag, pattern in rules if tag != "tag:yaml.org,2002:timestamp"]
        for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    @override
    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if (
                isinstance(key, yaml.ScalarNode)
                and key.tag != "tag:yaml.org,2002:merge"
                and key.value in seen
            ):
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key.value!r} is there twice", key.start_mark
                )
            seen.add(str(key.value))
        return super().construct_mapping(node, deep=deep)


class _Loader(_WithoutTraps, yaml.SafeLoader):
    """The slower loader, used for its better error messages."""


class _FastLoader(_WithoutTraps, getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """The loader of libyaml, in a tenth of the time, if PyYAML was built with it."""


def read_variables(environ: Mapping[str, str], cwd: Path) -> dict[str, str]:
    """Return the environment with `.env` of `cwd` below it; an empty variable counts as unset."""
    file = cwd / ".env"
    below = dotenv_values(file, interpolate=False, encoding="utf-8-sig") if file.is_file() else {}
    return {name: value for name, value in {**below, **environ}.items() if value}


def find_file(variables: Mapping[str, str], cwd: Path) -> Path | None:
    """Return the configuration file, None if there is none; one that is named must exist."""
    named = variables.get(FILE_VARIABLE, "").strip(ENDS)
    if not named:
        return next((cwd / name for name in FILES if (cwd / name).is_file()), None)
    path = cwd / named
    if not path.is_file():
        raise ConfigError(ConfigProblem(FILE_VARIABLE, f"there is no file {named}", f"looked for {path}"))
    return path


def read_file(path: Path) -> dict[str, Any]:
    """Return the file's keys. Raises ConfigError with the line that is not YAML."""
    try:
        content = _parse(path.read_text(encoding="utf-8-sig"))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise ConfigError(
            ConfigProblem(f"{path}{line}", error.problem or "not YAML", "the file must be valid YAML")
        ) from None
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        raise ConfigError(ConfigProblem(str(path), f"cannot be read: {error}".replace("\n", " "))) from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ConfigError(
            ConfigProblem(str(path), "should be a mapping of keys", "begin with a section such as `server:`")
        )
    return content


def _parse(text: str) -> Any:
    try:
        return yaml.load(text, _FastLoader)  # noqa: S506 - a SafeLoader
    except yaml.YAMLError:
        return yaml.load(text, _Loader)  # noqa: S506 - a SafeLoader


def variables_of(
    model: type[BaseModel], above: tuple[str, ...] = ()
) -> Iterator[tuple[str, tuple[str, ...], Any]]:
    """Yield (variable, path, field) of every leaf of the model."""
    for name, field in keys_of(model).items():
        path = (*above, name)
        section = section_in(field.annotation) if isinstance(field.annotation, type) else None
        if section is None:
            yield PREFIX + "_".join(path).upper(), path, field
        else:
            yield from variables_of(section, path)


def read_overrides(
    variables: Mapping[str, str], model: type[BaseModel]
) -> tuple[Overrides, list[ConfigProblem]]:
    """Return what ROUTER_* variables set, by path, and what is wrong with them."""
    known = {variable: (path, field) for variable, path, field in variables_of(model)}
    found: Overrides = {}
    problems: list[ConfigProblem] = []
    for variable, text in variables.items():
        if not variable.startswith(PREFIX) or variable == FILE_VARIABLE or _is_service_link(variable, text):
            continue
        target = known.get(SHORTER_NAMES.get(variable, variable))
        if target is None:
            hint = (
                nearest(variable, [*known, *SHORTER_NAMES, FILE_VARIABLE])
                or "docs/configuration.md lists them all"
            )
            problems.append(ConfigProblem(variable, "is not a setting of the gateway", hint))
            continue
        path, field = target
        try:
            value = _value(text.strip(ENDS), field.annotation)
        except ValueError as error:
            problems.append(ConfigProblem(variable, f"is not JSON: {error}"))
            continue
        if found.setdefault(path, (variable, value))[1] != value:
            problems.append(ConfigProblem(variable, f"and {found[path][0]} disagree", "set only one of them"))
    return found, problems


def _is_service_link(variable: str, text: str) -> bool:
    return bool(_SERVICE_LINK.fullmatch(variable)) or (
        variable.endswith("_PORT") and text.startswith(("tcp://", "udp://"))
    )


def _value(text: str, annotation: Any) -> Any:
    """Return a variable's text as the value of its key: lists as JSON or with commas, maps as JSON."""
    shape = str(annotation)
    if "tuple" in shape and not text.lstrip().startswith("[") and section_in(annotation) is None:
        return [part.strip() for part in text.split(",") if part.strip()]
    return json.loads(text) if "tuple" in shape or "dict" in shape else text


def overlay(keys: dict[str, Any], overrides: Mapping[tuple[str, ...], Any]) -> None:
    """Put the environment's values over the file's, in place."""
    for path, value in overrides.items():
        node = keys
        for name in path[:-1]:
            if node.get(name) is None:
                node[name] = {}
            if not isinstance(node[name], dict):
                break  # the model reports that a mapping is expected
            node = node[name]
        else:
            node[path[-1]] = value


class Expansion:
    """Replaces ${NAME} in a file's texts and records which names were not set, and where."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = variables
        self.unset: dict[Location, str] = {}
        # Variables whose value was trimmed, and where they are used.
        self.trimmed: dict[str, Location] = {}
        self.problems: list[ConfigProblem] = []

    def expand(self, value: Any, location: Location = ()) -> Any:
        if len(location) > DEEPEST:
            raise ConfigError(
                ConfigProblem(path_text(location[:3]), "goes too deep", "does it contain itself?")
            )
        if isinstance(value, str):
            return _REFERENCE.sub(lambda found: self._one(found, location), value) if "${" in value else value
        if isinstance(value, dict):
            return {key: self.expand(item, (*location, key)) for key, item in value.items()}
        if isinstance(value, list):
            return [self.expand(item, (*location, index)) for index, item in enumerate(value)]
        return value

    def _one(self, found: re.Match[str], location: Location) -> str:
        if found["escaped"]:
            return "${"
        name = found["name"]
        if name is None:
            hint = "write ${NAME} or ${NAME:-default}, and $${ for a plain ${"
            self.problems.append(ConfigProblem(path_text(location), "has a ${ that names no variable", hint))
            return ""
        if name in self._variables:
            value = self._variables[name].strip(ENDS)
            if value != self._variables[name]:
                self.trimmed.setdefault(name, location)
            return value
        if found["default"] is None:
            self.unset[location] = name
            return found.group(0)
        return found["default"]

    def unset_problem(self, location: Location) -> ConfigProblem:
        name = self.unset[location]
        return ConfigProblem(
            path_text(location), f"${{{name}}} is not set", f"set {name}, or write ${{{name}:-default}}"
        )
