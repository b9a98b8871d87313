"""Table of well-known servers' codes and phrases of refusal: too long, flagged, no money, a wrong key or model. Pure.

Codes come from the servers' sources and references, phrases from observed responses. A phrase that may echo the
client's own text counts only at the beginning of a message, and is never enough alone to blame the credential
(providers/errors/verdicts.py). Sources: OpenAI, Azure, Anthropic, Google, AWS, Mistral, Cohere, xAI, Groq,
DeepSeek, Qwen, Moonshot, Zhipu, MiniMax, Volcengine, Cloudflare, Databricks, Perplexity, OpenRouter, Together,
Fireworks, Hugging Face, GitHub Models, watsonx, vLLM, SGLang, llama.cpp, Ollama, TGI, TEI, TensorRT-LLM, LM Studio,
LiteLLM.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from providers.errors.messages import ProviderMessage

_READ: Final = 4_000  # characters of a message

_LONG_CODES: Final = frozenset(
    {
        "context_length_exceeded",
        "string_above_max_length",
        "exceed_context_size_error",
        "model_max_prompt_tokens_exceeded",
        "tokens_limit_reached",
        "context_window_exceeded",
        "contextwindowexceedederror",
        "model_context_window_exceeded",
        "context_too_long",
        "input_too_long",
        "prompt_too_long",
        "request_too_large",
        "1261",  # Zhipu
    }
)
_CONTEXT: Final = r"(?:context|prompt|input|sequence|model)[_ -]?(?:length|len|window|size|limit)s?"
_BEYOND: Final = (
    r"(?:exceed\w*|too (?:long|large|big)|longer than|larger than|greater than|overflow\w*|beyond)"
)
_MEASURE: Final = r"(?:tokens?|length|model|maximum|limit|\d{3,})"
_LONG: Final = re.compile(
    "|".join(
        (
            rf"\b{_CONTEXT}\b.{{0,160}}\b{_BEYOND}",
            rf"\b{_BEYOND}\b.{{0,160}}\b{_CONTEXT}\b",
            rf"\b(?:maximum|max|available|model's|with|only|supported) (?:model )?{_CONTEXT}\b",
            r"\bmax_model_len\b|\bmax_input_len\b|\bcontext overflows\b",
            rf"\b(?:prompt|inputs?|messages?|conversation)\b.{{0,80}}\b{_BEYOND}.{{0,80}}{_MEASURE}",
            r"\b(?:prompt|input|inputs|messages) (?:is|are) too long\b|\bprompt too long\b",
            r"\btoo many (?:input |prompt )?tokens\b|\brange of input length\b|\bmaximum prompt length\b",
            r"\btokens?\b.{0,120}\b(?:only supports up to|too large for model|must be <=|cannot exceed)",
            r"\bmust have less than \d+ tokens\b|\bsize limit exceeded by \d+ tokens\b",
            r"\bexceed\w* (?:the )?model(?:'s)? token limit\b|\bmax size: \d+ tokens\b",
            r"\breduce (?:the )?length of the (?:input )?(?:messages|prompt)\b|\bexpected maxlength\b",
            r"\binput length and .?max_tokens.? exceed\b|\bexceed max message tokens\b|\bContextWindowExceededError\b",
        )
    ),
    re.IGNORECASE | re.DOTALL,
)
_OF_RATES: Final = re.compile(
    r"\bper (?:min(?:ute)?|day|hour|second)\b|\b[rt]p[md]\b|\brate[ _-]?limit", re.IGNORECASE
)
_TOO_LARGE: Final = re.compile(
    r"request too large|request is too large|larger than the (?:rate )?limit"
    r"|(?:extra usage is|usage credits are) required for long context",
    re.IGNORECASE,
)

_FLAG_CODES: Final = re.compile(
    r"content[_ -]?(policy|filter|moderation)|moderation|flagged|prohibited_content|sensitive|data_?inspection"
    r"|responsible_?ai|safety|invalid_prompt|guardrail|^(?:1301|1026|1027)$",
    re.IGNORECASE,
)
_ASKED: Final = r"\b(?:input|inputs|prompt|prompts|content|message|messages|image|text)\b"
_FOUND: Final = (
    r"\b(?:flagged|moderat\w+|prohibited|inappropriate|sensitive|violat\w+|harmful|unsafe|exists risk)\b"
)
_FLAGGED: Final = re.compile(
    rf"{_ASKED}.{{0,80}}{_FOUND}|{_FOUND}.{{0,80}}{_ASKED}", re.IGNORECASE | re.DOTALL
)

_ACCOUNT_CODES: Final = frozenset(
    {
        "insufficient_quota",
        "billing_hard_limit_reached",
        "billing_not_active",
        "billing_error",
        "insufficient_balance",
        "insufficient_credits",
        "insufficient_funds",
        "payment_required",
        "exceeded_current_quota_error",
        "arrearage",
        "accountoverdueerror",
        "enforced_spend_limit_reached",
        "contract_spend_limit_reached",
        "organization_on_hold",
        "budget_exceeded",  # LiteLLM
        "billing_disabled",  # Google
        "1113",  # Zhipu
        "1008",  # MiniMax
    }
)
_ACCOUNT: Final = re.compile(
    r"(?:litellm\.\w+: )*.{0,40}\b(?:credit balance is too low|insufficient (?:balance|credits?|funds)"
    r"|balance is (?:insufficient|not enough)|overdue balance|free tier is not available"
    r"|exceeded your current quota|reached your specified api usage limits|budget has been exceeded!|ExceededBudget:"
    r"|billing hard limit|account is in good standing|account .{0,60}is suspended)",
    re.IGNORECASE | re.DOTALL,
)
_AFFORD: Final = re.compile(
    r"\bfewer max_tokens\b|\bcan only afford\b|^prompt tokens limit exceeded: \d+ > \d+", re.IGNORECASE
)

_KEY_CODES: Final = frozenset(
    {
        "invalid_api_key",
        "api_key_invalid",
        "incorrect_api_key",
        "invalid_authentication",
        "invalid_authentication_error",
        "authentication_error",
        "authenticationerror",
        "unauthenticated",
        "unrecognizedclientexception",
        "expiredtokenexception",
        "expiredtoken",
        "invalidsignatureexception",
        "signaturedoesnotmatch",
        "incompletesignature",
        "invalidclienttokenid",
        "missingauthenticationtoken",
        "invalid_token",
        "api_key_expired",
        "invalidapikey",
        "1004",  # MiniMax, Zhipu
        "2049",  # MiniMax
    }
)
_KEY: Final = re.compile(
    r"(?:error: )?(?:incorrect api key provided|(?:the |your |this )?(?:provided )?api[ -]?key "
    r"(?:is |was |has )?(?:not valid|invalid|expired|incorrect|revoked|not found|missing|could not be found)"
    r"|invalid (?:or missing |or expired )?api[ -]?key|invalid authentication"
    r"|(?:you did not|no) (?:provide an )?api[ -]?key|missing or invalid authorization header"
    r"|multiple authentication credentials received|this organization has been disabled"
    r"|user location is not supported)",
    re.IGNORECASE,
)

_LIMIT_CODES: Final = frozenset(
    {
        "rate_limit_exceeded",
        "rate_limit_error",
        "resource_exhausted",
        "too_many_requests",
        "throttlingexception",
        "servicequotaexceededexception",  # Bedrock, with status 400
        "throttling",
        "throttling.ratequota",
        "throttling.allocationquota",
        "1002",  # MiniMax: requests, tokens, connections
        "1039",
        "1041",
        "1302",  # Zhipu: calls at a time, calls, load
        "1303",
        "1305",
    }
)

_MODEL_CODES: Final = frozenset(
    {
        "model_not_found",
        "model_not_supported",
        "model_decommissioned",
        "invalid_model",
        "unknown_model",
        "unavailable_model",
        "operationnotsupported",  # Azure: the model does not support chat
        "1211",  # Zhipu
        "5007",  # Cloudflare
    }
)
_MODEL: Final = re.compile(
    r"(?:\{'error': ')?(?:/[\w/]+: )?(?:\w*error: )?(?:model not exist|invalid model(?: name passed in| ?[:'\"])"
    r"|\S+ is not a valid model id|no such model|no models? loaded|(?:unknown|unavailable) model\b"
    r"|(?:the )?(?:requested )?model \S+ (?:does not exist|(?:is|was)? ?not found|has been (?:decommission|deprecat)ed)"
    r"|the provided model identifier is invalid|invocation of model id \S+ with on-demand"
    r"|your organization must be verified)",
    re.IGNORECASE,
)
_ABSENT_CODES: Final = re.compile(r"model|deployment_?not_?found|^resourcenotfoundexception$", re.IGNORECASE)
# How a 404 names the model; not a part of a quoted path or host.
# "Function" is NVIDIA's, the rest are Databricks' and OpenRouter's.
_ABSENT: Final = re.compile(
    r"(?<![/\w.-])(?:models?|deployments?)(?![\w-]|\.\w)|^function '[^']+': not found"
    r"|^the given endpoint does not exist|^no endpoints found",
    re.IGNORECASE,
)


def is_too_long(message: ProviderMessage) -> bool:
    """Return whether the error means that the prompt does not fit the model's context window."""
    if message.names & _LONG_CODES:
        return True
    words = message.message[:_READ]
    return bool(_LONG.search(words)) and not _OF_RATES.search(words)


def is_too_large(message: ProviderMessage) -> bool:
    """Return whether a 429 is for one request larger than the whole limit of a minute: waiting does not help."""
    return bool(_TOO_LARGE.search(message.message[:_READ]))


def has_flag(message: ProviderMessage) -> bool:
    """Return whether the error's names or details, not only its words, report a moderation refusal."""
    return message.is_flagged or any(_FLAG_CODES.search(name) for name in message.names)


def is_flagged(message: ProviderMessage) -> bool:
    """Return whether the error reports, if only in words, that a moderation refused the request."""
    return has_flag(message) or bool(_FLAGGED.search(message.message[:_READ]))


def is_account(message: ProviderMessage, *, by_name: bool = False) -> bool:
    """Return whether the operator's account at the provider cannot pay; `by_name`: words are not enough."""
    if message.names & _ACCOUNT_CODES:
        return True
    return not by_name and bool(_ACCOUNT.match(message.message[:_READ]))


def is_beyond_credit(message: ProviderMessage) -> bool:
    """Return whether the same account may still pay for another request: a smaller one (OpenRouter's "can only
    afford"), or that of another end user with a separate budget at LiteLLM.
    """
    return "budget_exceeded" in message.names or bool(_AFFORD.search(message.message[:_READ]))


def is_key(message: ProviderMessage, *, by_name: bool = False) -> bool:
    """Return whether the credential is wrong, or not valid here; `by_name`: words are not enough."""
    if message.names & _KEY_CODES:
        return True
    return not by_name and bool(_KEY.match(message.message[:_READ]))


def is_starting(message: ProviderMessage) -> bool:
    """Return whether a 429 means that the model is not loaded yet (Bedrock): it is no limit of ours."""
    return "modelnotreadyexception" in message.names


def is_limit(message: ProviderMessage) -> bool:
    """Return whether the error's names, whatever the status, mean too many calls at the moment."""
    return bool(message.names & _LIMIT_CODES)


def is_model(message: ProviderMessage) -> bool:
    """Return whether there is no such model: the name is the operator's, since clients only name an alias."""
    return bool(message.names & _MODEL_CODES) or bool(_MODEL.match(message.message[:_READ]))


def is_absent_model(message: ProviderMessage) -> bool:
    """Return whether a 404 is about the model or its deployment: most servers send one for a wrong path too."""
    if message.is_page:
        return False
    is_named = message.param == "model" or any(_ABSENT_CODES.search(name) for name in message.names)
    return is_named or bool(_ABSENT.search(message.message[:_READ]))
