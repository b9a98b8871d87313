"""The generated parts of docs/providers: which client API reaches which provider, how parameters are treated, and what
is known of models. Only a command and tests use it.

A block begins with a line `<!-- parameters: <upstream API> -->`, `<!-- models: <vendor or provider> -->` or
`<!-- matrix -->`, and ends with `<!-- end -->`, which is added where it is missing.
"""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from catalog.facts.defaults import Known, as_facts, known_models, load
from providers.conversation.parameters import Parameter, Treatment
from providers.conversation.registry import CLIENTS, UPSTREAMS
from providers.dialects.choice import FACTORIES, upstream_api
from providers.model_facts import ModelFacts
from providers.registry import PROVIDERS, family_of
from providers.target import Secret, Target

END: Final = "<!-- end -->"
_BLOCK: Final = re.compile(
    r"^(<!-- (parameters|models|matrix)(?:: ([a-z_-]+))? -->)\n((?:(?!<!-- ).*\n)*?<!-- end -->\n)?",
    re.MULTILINE,
)
_SOME: Final = "takes fewer values, by the facts of the model"  # of a rule whose reasons are elsewhere
_RULES: Final = "providers.conversation."  # where the rules are
_TREATED: Final = {
    Treatment.MAP: "translated",
    Treatment.PASS: "passed",
    Treatment.IGNORE: "ignored",
    Treatment.REFUSE: "refused",
}
# Vendors whose models some providers reach by an API of their own.
_VENDORS: Final = {"anthropic": "models of Anthropic", "meta": "models of Meta and others"}
_THINKING: Final = {
    "none": "no",
    "budget": "by a budget of tokens",
    "adaptive": "on request",
    "between_tools": "at the least between tools",
    "always": "always",
    "level": "by a level",
}
_SAMPLING: Final = {
    "free": "any",
    "exclusive": "one of both",
    "default_only": "defaults only",
    "none": "neither",
}


class UnknownBlock(Exception):
    """A page asks for a table that there is none of."""


def rewritten(page: str) -> str:
    """Return a page with each of its blocks replaced by the current one. Raises UnknownBlock."""
    return _BLOCK.sub(lambda found: f"{found[1]}\n\n{block(found[2], found[3] or '')}\n\n{END}\n", page)


def block(kind: str, name: str) -> str:
    """Return one table as Markdown. Raises UnknownBlock."""
    if kind == "matrix":
        return _table(*_matrix())
    if kind == "parameters" and name in UPSTREAMS:
        return _table(*_parameters(name))
    if kind == "models" and (rows := list(_models(name))):
        return _table(_MODELS, rows)
    raise UnknownBlock(f"there is nothing to write for {kind}: {name}")


def pages(folder: Path) -> list[Path]:
    """Return the pages that may have blocks."""
    return sorted(folder.glob("*.md"))


def _matrix() -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    head = ("Provider", *(f"`{api}`" for api in CLIENTS))
    rows: list[tuple[str, ...]] = []
    for provider in PROVIDERS:
        usual = _reached(provider, "")
        rows.append((f"`{provider}`", *usual))
        rows += [
            (f"`{provider}`, {words}", *cells)
            for vendor, words in _VENDORS.items()
            if (cells := _reached(provider, vendor)) != usual
        ]
    return head, rows


def _reached(provider: str, vendor: str) -> tuple[str, ...]:
    """Return by client API how calls reach the models of a vendor at a provider."""
    target = Target(
        id=0,
        alias="",
        name="",
        provider=provider,
        upstream_model="",
        base_url="https://example.invalid",
        secret=Secret(""),
        facts=ModelFacts(vendor=vendor),
    )
    target = msgspec.structs.replace(target, api=family_of(target))
    return tuple(_way(client, upstream_api(client, target, has_tools=False)) for client in CLIENTS)


def _way(client: str, api: str) -> str:
    if (client, api) in FACTORIES:
        return "bytes pass"
    return f"through `{api}`" if api in UPSTREAMS else "-"


def _parameters(api: str) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    head = ("Parameter", "Treatment", "Written as", "Refused where it")
    rows: list[tuple[str, ...]] = [
        (f"`{name}`", _TREATED[row.treatment], row.upstream, _limits(row))
        for name, row in UPSTREAMS[api].parameters.items()
    ]
    return head, rows


def _limits(row: Parameter) -> str:
    """Return what a rule may answer; its texts continue "It "."""
    return "" if row.rule is None else "; ".join(dict.fromkeys(texts_of(row.rule))) or _SOME


def texts_of(rule: Callable[..., str], seen: frozenset[object] = frozenset()) -> Iterator[str]:
    """Yield the reasons in the source of a rule, those that it was made with, and those of functions that it calls."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(rule)))
    except (OSError, SyntaxError, TypeError):
        return
    known = inspect.getclosurevars(rule)
    for value in known.nonlocals.values():
        if isinstance(value, str) and " " in value:
            yield value
    for value in (*known.nonlocals.values(), *known.globals.values()):
        if inspect.isfunction(value) and value not in seen and _gives_reasons(value):
            yield from texts_of(value, seen | {rule, value})
    yield from _written(tree.body[0], {**known.globals, **known.nonlocals})


def _gives_reasons(function: Callable[..., Any]) -> bool:
    """Return whether a rule may hand on what a function answers."""
    is_ours = function.__module__.startswith(_RULES)
    return is_ours and function.__annotations__.get("return") in {"str", str}


def _written(body: ast.stmt, known: Mapping[str, Any]) -> Iterator[str]:
    """Yield the sentences in a piece of source; what is put into them is shown where it is a constant."""
    documentation = ast.get_docstring(body, clean=False) if isinstance(body, ast.FunctionDef) else None
    parts = {
        id(value) for node in ast.walk(body) if isinstance(node, ast.JoinedStr) for value in ast.walk(node)
    }
    for node in ast.walk(body):
        text = ""
        if isinstance(node, ast.JoinedStr):
            text = "".join(_part(value, known) for value in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in parts:
            text = node.value
        if " " in text and text != documentation:
            yield text


def _part(value: ast.expr, known: Mapping[str, Any]) -> str:
    if isinstance(value, ast.Constant):
        return str(value.value)
    if isinstance(value, ast.FormattedValue) and isinstance(value.value, ast.Name):
        return str(known.get(value.value.id, "…"))
    return "…"


_MODELS: Final = (
    "Model",
    "Thinks",
    "Effort",
    "Sampling",
    "Takes",
    "JSON schema",
    "Tools",
    "Limits",
    "Elsewhere",
)


def _models(name: str) -> Iterator[tuple[str, ...]]:
    """Yield the models of a vendor; else those for which a provider differs, as they are there."""
    vendors = {known.everywhere["vendor"] for known in known_models().values()}
    for model in load().models:
        known = known_models()[model]
        if name in vendors and known.everywhere["vendor"] == name:
            yield _row(model, as_facts(known.everywhere), _elsewhere(known))
        elif name not in vendors and name in known.platforms:
            yield _row(model, as_facts({**known.everywhere, **known.platforms[name]}), "")


def _row(model: str, facts: ModelFacts, elsewhere: str) -> tuple[str, ...]:
    takes = {"images": facts.vision, "PDFs": facts.documents, "audio": facts.audio_in}
    return (
        f"`{model}`",
        _THINKING[facts.thinking],
        ", ".join(facts.effort),
        _SAMPLING[facts.sampling],
        ", ".join(["text", *(what for what, has in takes.items() if has)]),
        {"native": "yes", "tool": "by a forced tool", "none": "no"}[facts.json_schema],
        _tools(facts),
        _figures(facts),
        elsewhere,
    )


def _tools(facts: ModelFacts) -> str:
    if not facts.tools:
        return "no"
    limits = {
        "by the Responses API only": facts.tools_need_responses,
        "never forced": not facts.forced_tool_choice,
        "no `strict`": not facts.strict_tools,
    }
    return ", ".join(["yes", *(text for text, holds in limits.items() if holds)])


def _figures(facts: ModelFacts) -> str:
    figures = [
        f"window {facts.context_window:,}" if facts.context_window else "",
        f"output {facts.max_output_tokens:,}" if facts.max_output_tokens else "",
        f"dimensions {', '.join(map(str, facts.embedding_dimensions))}" if facts.embedding_dimensions else "",
        f"batch {facts.max_batch:,}" if facts.max_batch else "",
        f"sizes {', '.join(facts.image_sizes)}" if facts.image_sizes else "",
    ]
    return ", ".join(figure for figure in figures if figure)


def _elsewhere(known: Known) -> str:
    """Return what differs at a provider, and what no page of the vendor confirms."""
    parts = [f"{name}: {_stated(own)}" for name, own in known.platforms.items()]
    if known.unconfirmed:
        parts.append(f"unconfirmed: {', '.join(known.unconfirmed)}")
    return "; ".join(parts)


def _stated(facts: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {_value(value)}" for name, value in facts.items())


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return "/".join(map(str, value))
    return f"{value:,}" if isinstance(value, int) else str(value)


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [_line(head), "|" + "---|" * len(head), *(_line(row) for row in rows)]
    return "\n".join(lines)


def _line(cells: tuple[str, ...]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
