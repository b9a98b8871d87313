"""Turn a downloaded LiteLLM wheel into catalog/data/price_map.json: facts only, integers only.

pip download --no-deps litellm==<version>    # a development machine only
python deploy/build_price_map.py litellm-<version>-*.whl <today, YYYY-MM-DD> > catalog/data/price_map.json
"""

from __future__ import annotations

import json
import re
import sys
import zipfile
from decimal import Decimal
from typing import Any

MEMBER = "litellm/model_prices_and_context_window_backup.json"
TYPES = {
    "chat": "llm",
    "completion": "llm",
    "responses": "llm",
    "embedding": "embedding",
    "image_generation": "image",
    "audio_transcription": "audio",
    "audio_speech": "audio",
    "moderation": "moderation",
    "rerank": "rerank",
}
PROVIDERS = {
    "openai": "openai",
    "text-completion-openai": "openai",
    "azure": "azure",
    "azure_text": "azure",
    "anthropic": "anthropic",
    "bedrock": "bedrock",
    "bedrock_converse": "bedrock",
    "gemini": "vertex",
}
# Our rate -> theirs; the dearest of several wins, because one rate must cover what it stands for.
TOKENS = {
    "input": ("input_cost_per_token",),
    "output": ("output_cost_per_token",),
    "cached_input": ("cache_read_input_token_cost",),
    "cache_write": ("cache_creation_input_token_cost",),
    "cache_write_1h": (
        "cache_creation_input_token_cost_above_1hr",
        "cache_creation_input_token_cost_above_12hr",
    ),
    "reasoning": ("output_cost_per_reasoning_token",),
    "audio_input": ("input_cost_per_audio_token",),
    "audio_output": ("output_cost_per_audio_token",),
    "request": ("input_cost_per_request", "input_cost_per_query"),
}
IMAGES = TOKENS | {
    "input": ("input_cost_per_token", "input_cost_per_image_token"),
    "output": ("output_cost_per_token", "output_cost_per_image_token"),
    "cached_input": ("cache_read_input_token_cost", "cache_read_input_image_token_cost"),
    "image": ("output_cost_per_image", "input_cost_per_image"),
}
TIMED = {
    "second": ("input_cost_per_second", "output_cost_per_second"),
    "character": ("input_cost_per_character", "output_cost_per_character"),
}


# A step by the prompt's length, and a tier: what their names end with. Both at once is left out: a tier is a factor.
STEP = re.compile(r"_above_(\d+)k_tokens$")
TIERS = {"_flex": "flex", "_priority": "priority", "_batches": "batch"}
# Providers whose responses report how many searches they ran; elsewhere a search would be free by omission.
COUNT_SEARCHES = {"openai", "azure", "anthropic"}
MILLION = 10**6


def provider_of(entry: dict[str, Any]) -> str | None:
    theirs = str(entry.get("litellm_provider", ""))
    return "vertex" if theirs.startswith("vertex_ai") else PROVIDERS.get(theirs)


def name_of(key: str, theirs: str) -> str | None:
    """Return the id as the provider knows it; None for prices of a region, a commitment or a picture size."""
    name = key.removeprefix(f"{theirs}/").removeprefix("vertex_ai/").removeprefix("azure/")
    foreign = "/" in name and not theirs.startswith("vertex_ai")
    return None if foreign else name.lower()


def nano(value: Any) -> int:
    """Convert USD a unit to nano-USD a million units, exactly where possible, upwards where not."""
    return -int(-Decimal(repr(value)).scaleb(15) // 1)


def row_of(entry: dict[str, Any]) -> dict[str, Any] | None:
    """Return our row, or None when nothing in it has a price. A price of 0 means that it is not known."""
    model_type = TYPES.get(str(entry.get("mode")))
    if model_type is None:
        return None
    names = dict(IMAGES if model_type == "image" else TOKENS)
    if model_type == "audio" and not entry.get("input_cost_per_token"):
        names |= TIMED
    row: dict[str, Any] = {}
    for ours, theirs in names.items():
        rates = [nano(entry[name]) for name in theirs if entry.get(name)]
        if rates:
            row[ours] = max(rates)
    if "image" in row and "output" in row:
        del row["image"]  # billed by tokens; the price a picture only restates it
    if not row or (model_type == "llm" and not {"input", "output"} <= row.keys()):
        return None
    if model_type == "llm":
        row |= terms_of(entry, row) | tools_of(entry)
    else:
        row["model_type"] = model_type
    for ours, limit in (("context_window", "max_input_tokens"), ("max_output_tokens", "max_output_tokens")):
        if isinstance(entry.get(limit), int) and entry[limit] > 0:
            row[ours] = entry[limit]
    return row


def terms_of(entry: dict[str, Any], row: dict[str, Any]) -> dict[str, Any]:
    """Return what changes a chat model's price: steps, tiers, places. A part without a price of its own has none there.

    A tier is one factor for all parts, upwards in millionths: where they differ it is the dearest one.
    """
    parts = {
        name: ours for ours, theirs in TOKENS.items() if ours in row and ours != "request" for name in theirs
    }
    steps: dict[int, dict[str, int]] = {}
    tiers: dict[str, int] = {}
    for name, value in entry.items():
        if not value or "_cost" not in name:
            continue
        if (step := STEP.search(name)) and (ours := parts.get(name[: step.start()])):
            steps.setdefault(int(step[1]) * 1000, {})[ours] = nano(value)
        for end, tier in TIERS.items():
            base = name.removesuffix(end)
            if base != name and base in parts and entry.get(base):
                factor = -int(-Decimal(repr(value)) * MILLION / Decimal(repr(entry[base])) // 1)
                tiers[tier] = max(tiers.get(tier, 0), factor)
    places = {
        name: value for name, value in (entry.get("provider_specific_entry") or {}).items() if name == "us"
    }
    found: dict[str, Any] = {
        "above": [{"prompt_tokens": least, **rates} for least, rates in sorted(steps.items())],
        "tiers": dict(sorted(tiers.items())),
        "geography": {name: int(Decimal(repr(value)) * MILLION) for name, value in places.items()},
    }
    return {name: value for name, value in found.items() if value}


def tools_of(entry: dict[str, Any]) -> dict[str, Any]:
    """Return the price of a search: the dearest size, at models that search as a tool (those that always do are left
    out: their chat reports no search).
    """
    searches = [price for price in (entry.get("search_context_cost_per_query") or {}).values() if price]
    is_tool = "/v1/responses" in entry.get("supported_endpoints", ["/v1/responses"])
    if not searches or not is_tool or provider_of(entry) not in COUNT_SEARCHES:
        return {}
    return {"tool_calls": {"web_search": nano(max(searches))}}


def convert(entries: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    models: dict[str, dict[str, Any]] = {}
    for key, entry in entries.items():
        provider = provider_of(entry)
        if provider is None:
            continue
        theirs = str(entry["litellm_provider"])
        name, row = name_of(key, theirs), row_of(entry)
        if name is None or row is None:
            continue
        if "search" in name:
            row.pop("tool_calls", None)
        rows = models.setdefault(provider, {})
        if theirs == "gemini":  # the same models as on Vertex, whose own price wins
            rows.setdefault(name, row)
        else:
            rows[name] = row
    return models


def write(models: dict[str, dict[str, Any]], source: str, as_of: str) -> None:
    """One model a line, sorted, so that a new snapshot reads well as a diff."""
    out = sys.stdout.write
    out(f'{{"source":{json.dumps(source)},"as_of":{json.dumps(as_of)},"models":{{')
    for index, provider in enumerate(sorted(models)):
        rows = [
            f"{json.dumps(name)}:{json.dumps(row, separators=(',', ':'))}"
            for name, row in sorted(models[provider].items())
        ]
        out(f"{',' if index else ''}\n{json.dumps(provider)}:{{\n" + ",\n".join(rows) + "\n}")
    out("\n}}\n")


if __name__ == "__main__":
    wheel, as_of = sys.argv[1], sys.argv[2]
    with zipfile.ZipFile(wheel) as archive:
        raw = json.loads(archive.read(MEMBER))
    write(convert(raw), wheel.rpartition("/")[2].split("-cp")[0].split("-py")[0], as_of)
