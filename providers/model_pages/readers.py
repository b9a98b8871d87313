"""Reads the facts of one model out of what its provider answers. Pure, lenient: what cannot be read is left out.

The facts have the names of ModelFacts. Sources: Anthropic, "Models API"; OpenAI, "Models"; Azure, "Models - List"; AWS,
"GetFoundationModel"; Google, "models.get"; Hugging Face, "Inference Providers: Hub API"; the model lists of vLLM,
OpenRouter, Mistral and LM Studio.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, TypeAlias

Facts: TypeAlias = dict[str, Any]
Reader: TypeAlias = Callable[
    [Mapping[str, Any], str], Facts | None
]  # the document, the model; None: it is not in it

EFFORTS: Final = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
_WINDOWS: Final = ("max_model_len", "context_length", "max_context_length", "context_window")
_MOST_TOKENS: Final = 10**9
_MOST_SECONDS: Final = 10**11


def anthropic(document: Mapping[str, Any], _model: str) -> Facts | None:
    """Read `GET /v1/models/{id}`. Whether thinking can be switched off is known only if its types say so."""
    can = _object(document.get("capabilities"))
    efforts = _object(can.get("effort"))
    facts = {
        "context_window": _tokens(document.get("max_input_tokens")),
        "max_output_tokens": _tokens(document.get("max_tokens")),
        "shutdown_date": _date(document.get("retires_at")),
        "vision": _supported(can.get("image_input")),
        "documents": _supported(can.get("pdf_input")),
        "thinking": _thinking(_object(can.get("thinking"))),
        "effort": [level for level in EFFORTS if _supported(efforts.get(level))] or None,
    }
    if _supported(can.get("structured_outputs")) is not None:
        facts["json_schema"] = "native" if _supported(can["structured_outputs"]) else "tool"
    return _known(facts)


def openai(document: Mapping[str, Any], _model: str) -> Facts | None:
    """Read `GET /models/{id}`."""
    return _known({"shutdown_date": _date(document.get("shutdown_date"))})


def azure(document: Mapping[str, Any], model: str) -> Facts | None:
    """Read the list of models that a resource may deploy; it has models, not deployments."""
    found = _listed(document, model)
    if found is None:
        return None
    return _known({"shutdown_date": _date(_object(found.get("deprecation")).get("inference"))})


def compatible(document: Mapping[str, Any], model: str) -> Facts | None:
    """Read the list of a server that speaks OpenAI's API: its own window is what it was started with."""
    found = _listed(document, model)
    if found is None:
        return None
    can = _object(found.get("capabilities"))
    window = next((tokens for name in _WINDOWS if (tokens := _tokens(found.get(name)))), None)
    return _known(
        {
            "context_window": window,
            "max_output_tokens": _tokens(_object(found.get("top_provider")).get("max_completion_tokens")),
            "tools": _flag(can.get("function_calling")),
            "shutdown_date": _date(found.get("shutdown_date") or found.get("deprecation")),
            **_inputs(_object(found.get("architecture")).get("input_modalities"), _flag(can.get("vision"))),
        }
    )


def huggingface(document: Mapping[str, Any], model: str) -> Facts | None:
    """Read the router's list. The provider of an unpinned model may change with a call, so only the widest holds."""
    name, _, pinned = model.partition(":")
    found = _listed(document, name)
    if found is None:
        return None
    offers = [_object(offer) for offer in _list(found.get("providers"))]
    own = next((offer for offer in offers if pinned and offer.get("provider") == pinned), None)
    windows = [_tokens(offer.get("context_length")) or 0 for offer in (offers if own is None else [own])]
    schema = None if own is None else _flag(own.get("supports_structured_output"))
    return _known(
        {
            "context_window": max(windows, default=0) or None,
            "tools": None if own is None else _flag(own.get("supports_tools")),
            "json_schema": None if schema is None else ("native" if schema else "none"),
            **_inputs(_object(found.get("architecture")).get("input_modalities"), None),
        }
    )


def bedrock(document: Mapping[str, Any], _model: str) -> Facts | None:
    """Read GetFoundationModel."""
    found = _object(document.get("modelDetails"))
    life = _object(found.get("modelLifecycle"))
    return _known(
        {
            **_inputs([str(each).lower() for each in _list(found.get("inputModalities"))], None),
            "shutdown_date": _date(life.get("endOfLifeTime")),
        }
    )


def gemini(document: Mapping[str, Any], _model: str) -> Facts | None:
    """Read `models.get` of the API that is reached with a key."""
    return _known(
        {
            "context_window": _tokens(document.get("inputTokenLimit")),
            "max_output_tokens": _tokens(document.get("outputTokenLimit")),
        }
    )


def _thinking(thinking: Mapping[str, Any]) -> str | None:
    if _supported(thinking) is False:
        return "none"
    types = {name: _supported(value) for name, value in _object(thinking.get("types")).items()}
    if types.get("between_tools"):
        return "between_tools"
    if not types.get("adaptive"):
        return "budget" if types.get("enabled") else None
    if types.get("enabled") or types.get("disabled"):
        return "adaptive"
    return "always" if types.get("disabled") is False else None


def _inputs(modalities: Any, sees: bool | None) -> Facts:  # noqa: FBT001 - a fact that is stated beside the list
    """Return what a model takes; a list without text is no list of modalities."""
    listed = [each for each in _list(modalities) if isinstance(each, str)]
    if "text" not in listed:
        return {"vision": sees}
    return {"vision": "image" in listed, "audio_in": "audio" in listed or "speech" in listed}


def _listed(document: Mapping[str, Any], model: str) -> Mapping[str, Any] | None:
    models: Iterable[Any] = _list(document.get("data"))
    return next((each for each in models if isinstance(each, dict) and each.get("id") == model), None)


def _known(facts: Facts) -> Facts:
    return {name: value for name, value in facts.items() if value is not None}


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _flag(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def _supported(value: Any) -> bool | None:
    return _flag(_object(value).get("supported"))


def _tokens(value: Any) -> int | None:
    return value if type(value) is int and 0 < value < _MOST_TOKENS else None


def _date(value: Any) -> str | None:
    """Return a date of ISO 8601 or of Unix time, in seconds."""
    try:
        if type(value) is int and 0 < value < _MOST_SECONDS:
            return datetime.fromtimestamp(value, UTC).date().isoformat()
        return datetime.fromisoformat(value).date().isoformat() if isinstance(value, str) else None
    except (ValueError, OverflowError):
        return None
