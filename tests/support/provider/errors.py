"""Errors with the bytes that well-known servers send: by name where there are many of a kind, status and body."""

from __future__ import annotations

from typing import Any


def error(message: str, **more: Any) -> dict[str, Any]:
    return {"error": {"message": message, **more}}


TOO_LONG: dict[str, tuple[int, Any]] = {
    "OpenAI": (
        400,
        error("This model's maximum context length is 8192 tokens.", code="context_length_exceeded"),
    ),
    "OpenAI, a string": (400, error("Invalid 'input': string too long.", code="string_above_max_length")),
    "vLLM, before": (
        400,
        {
            "object": "error",
            "message": "This model's maximum context length is 4096 tokens. However, you requested 5016 tokens "
            "(5000 in the messages, 16 in the completion). Please reduce the length of the messages or completion.",
            "type": "BadRequestError",
            "param": None,
            "code": 400,
        },
    ),
    "vLLM": (
        400,
        error(
            "The decoder prompt (length 5000) is longer than the maximum model length of 4096. Make sure that "
            "`max_model_len` is no smaller than the number of text tokens.",
            type="BadRequestError",
            code=400,
        ),
    ),
    "vLLM, null": (
        400,
        error(
            "You passed 5001 input tokens and requested 1 output tokens. However, the model's "
            "context length is only 4096 tokens.",
            code=None,
        ),
    ),
    "SGLang": (
        400,
        {
            "object": "error",
            "message": "The input (5000 tokens) is longer than the model's context length (4096 tokens).",
            "type": "BadRequestError",
            "code": 400,
        },
    ),
    "SGLang, all": (
        400,
        {"message": "Requested token count exceeds the model's maximum context length of 4096."},
    ),
    "llama.cpp": (
        400,
        error(
            "the request exceeds the available context size, try increasing it",
            type="exceed_context_size_error",
            code=400,
            n_prompt_tokens=5000,
            n_ctx=4096,
        ),
    ),
    "Ollama": (500, {"error": "input length exceeds maximum context length"}),
    "TGI": (
        422,
        {
            "error": "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 4000 `inputs` "
            "tokens and 200 `max_new_tokens`",
            "error_type": "validation",
        },
    ),
    "TEI": (413, {"error": "Input validation error: `inputs` must have less than 512 tokens. Given: 600"}),
    "Anthropic": (
        400,
        {
            "type": "error",
            "error": {
                "type": "invalid_request_error",
                "message": "prompt is too long: 210000 tokens > 200000 maximum",
            },
        },
    ),
    "Anthropic, both": (
        400,
        error(
            "input length and `max_tokens` exceed context limit: 188240 + 21333 > 200000, decrease input length"
        ),
    ),
    "Gemini's list": (
        400,
        [
            error(
                "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
                code=400,
                status="INVALID_ARGUMENT",
            )
        ],
    ),
    "Vertex": (
        400,
        error(
            "Unable to submit request because the input token count is 40000 but model only supports up to 32768.",
            code=400,
        ),
    ),
    "Bedrock": (400, {"message": "Input is too long for requested model."}),
    "Mistral": (
        400,
        {
            "object": "error",
            "message": "Prompt contains 65673 tokens and 0 draft tokens, too large for model with 32768 maximum "
            "context length",
            "type": "invalid_request_error",
            "code": "3051",
        },
    ),
    "Cohere": (
        400,
        {"message": "too many tokens: size limit exceeded by 4000 tokens. Try using shorter inputs."},
    ),
    "xAI": (
        400,
        {
            "code": "Client specified an invalid argument",
            "error": "This model's maximum prompt length is 131072 but the request contains 200000 tokens.",
        },
    ),
    "Groq": (
        413,
        error("Request too large for model `x`: Limit 6000, Requested 7000.", code="rate_limit_exceeded"),
    ),
    "Qwen": (
        400,
        error("<400> InternalError.Algo.InvalidParameter: Range of input length should be [1, 30720]"),
    ),
    "Moonshot": (400, error("Invalid request: Your request exceeded model token limit: 8192")),
    "Zhipu": (400, error("Prompt 超长", code="1261")),
    "MiniMax": (400, {"base_resp": {"status_code": 2013, "status_msg": "context window exceeds limit"}}),
    "GitHub Models": (
        413,
        error("Request body too large for gpt-4o model. Max size: 8000 tokens.", code="tokens_limit_reached"),
    ),
    "watsonx": (
        400,
        {
            "errors": [
                {
                    "code": "invalid_input_argument",
                    "message": "the number of input tokens 5000 cannot exceed the total tokens limit 4096",
                }
            ]
        },
    ),
    "OpenRouter, what the provider behind it said": (
        400,
        error(
            "Provider returned error",
            code=400,
            metadata={
                "raw": '{"error":{"message":"This model\'s maximum context length is 262144 tokens. However, your '
                'messages resulted in 262897 tokens.","type":"Bad Request","code":400}}',
                "provider_name": "Nvidia",
            },
        ),
    ),
    "LiteLLM": (
        400,
        error("litellm.ContextWindowExceededError: litellm.BadRequestError: AzureException - no", code="400"),
    ),
    "Volcengine": (
        400,
        error("Total tokens of image and text exceed max message tokens.", code="InvalidParameter"),
    ),
    "Databricks": (
        400,
        {
            "error_code": "BAD_REQUEST",
            "message": '{"external_model_provider":"openai","external_model_error":{"error":{"message":"This model\'s '
            'maximum context length is 8192 tokens"}}}',
        },
    ),
    "nginx": (413, "<html><head><title>413 Request Entity Too Large</title></head></html>"),
}
KEYS: list[tuple[int, Any]] = [
    (
        400,
        error(
            "API key not valid. Please pass a valid API key.",
            code=400,
            status="INVALID_ARGUMENT",
            details=[{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}],
        ),
    ),
    (400, [error("API key expired. Please renew the API key.", code=400, status="INVALID_ARGUMENT")]),
    (
        400,
        {
            "code": "x",
            "error": "Incorrect API key provided: up***ey. You can obtain an API key from https://x.ai.",
        },
    ),
    (400, error("Bad request", code="invalid_api_key")),
    (400, error("Invalid API key", type="authentication_error")),
    (403, error("Access denied", code=403)),
    (403, "Forbidden"),
    (403, error("Your project does not have access to this model", type="permission_error")),
    (400, [error("User location is not supported for the API use.", code=400, status="FAILED_PRECONDITION")]),
    (400, [error("Missing or invalid Authorization header.", code=400, status="INVALID_ARGUMENT")]),
    (400, error("This organization has been disabled.", type="invalid_request_error")),
    (400, {"errorCode": "BXNIM0415E", "errorMessage": "Provided API key could not be found."}),
    (400, {"code": "InvalidApiKey", "message": "Invalid API-key provided."}),
]
ACCOUNTS: list[tuple[int, Any, bool]] = [
    (402, error("Insufficient Balance", type="unknown_error", code="invalid_request_error"), True),
    (402, error("Insufficient credits. Add more using https://openrouter.ai/credits", code=402), True),
    (402, "", True),
    (402, error("This request requires more credits, or fewer max_tokens. You requested up to 65536 tokens, but can "
                "only afford 3000.", code=402), False),
    (429, error("You exceeded your current quota, please check your plan and billing details.",
                type="insufficient_quota", code="insufficient_quota"), True),
    (429, error("Your account is suspended", type="exceeded_current_quota_error"), True),
    (429, error("余额不足或无可用资源包,请充值。", code="1113"), True),
    (400, error("Your credit balance is too low to access the Anthropic API.", type="invalid_request_error"), False),
    (400, error("Access denied, please make sure your account is in good standing.", code="Arrearage"), False),
    (403, {"code": 30001, "message": "Sorry, your account balance is insufficient", "data": None}, False),
    (402, error("Prompt tokens limit exceeded: 64128 > 6964. To increase, visit https://openrouter.ai/settings/credits "
                "and upgrade to a paid account", code=402), False),
    (412, error("Account x is suspended, possibly due to reaching the monthly spending limit or failure to pay past "
                "invoices.", param=None, code="PRECONDITION_FAILED", type="error"), False),
    (400, error("Budget has been exceeded! Current cost: 28.5, Max budget: 20.0", type="budget_exceeded"), False),
    (400, error("litellm.BadRequestError: OpenAIException - Budget has been exceeded! Team=99c7", code="400"), False),
    (429, error("ExceededBudget: End User=x over budget. Spend=1", type="budget_exceeded", code="429"), False),
    (400, error("You have reached your specified API usage limits. You will regain access on 2026-04-01 at 00:00 UTC.",
                type="invalid_request_error"), False),
    (400, [error("Gemini API free tier is not available in your country. Please enable billing on your project",
                 code=400, status="FAILED_PRECONDITION")], False),
]  # fmt: skip
MODELS: list[tuple[int, Any]] = [  # that do not exist: the operator's names, as clients only name an alias
    (404, error("The model `x` does not exist", code=404)),
    (410, ""),
    (400, error("Model Not Exist", type="invalid_request_error", code="invalid_request_error")),  # DeepSeek
    (
        400,
        {"object": "error", "message": "Invalid model: x", "type": "invalid_model", "code": "1500"},
    ),  # Mistral
    (400, error("deepseek/deepseek-coder is not a valid model ID", code=400)),  # OpenRouter
    (
        400,
        {"error": "/chat/completions: Invalid model name passed in model=x. Call `/v1/models` to view"},
    ),  # LiteLLM
    (
        400,
        error("Invalid model 'x'. Permitted models can be found in the documentation", code=400),
    ),  # Perplexity
    (
        400,
        error("The requested model 'x' is not supported by any provider", code="model_not_supported"),
    ),  # Hugging Face
    (400, error("模型不存在", code="1211")),  # Zhipu
    (400, {"errors": [{"message": "AiError: No such model @cf/x or task", "code": 5007}], "success": False}),
    (400, {"message": "The provided model identifier is invalid."}),  # Bedrock
    (
        400,
        {"message": "Invocation of model ID x with on-demand throughput isn't supported. Retry your request"},
    ),
    (
        400,
        error(
            "The model `x` has been decommissioned and is no longer supported.", code="model_decommissioned"
        ),
    ),
    (
        400,
        error(
            "The chatCompletion operation does not work with the specified model",
            code="OperationNotSupported",
        ),
    ),
    (400, error("Unknown model: x", code="unknown_model")),  # GitHub Models
    (400, {"message": "model 'x' not found, make sure the correct model ID was used"}),  # Cohere
    (400, error("No models loaded. Please load a model", type="invalid_request_error")),  # LM Studio
    (
        400,
        error(
            "Your organization must be verified to stream this model.",
            param="stream",
            code="unsupported_value",
        ),
    ),
]
LONG_CONTEXT = [
    f"{each} required for long context requests." for each in ("Extra usage is", "Usage credits are")
]
TOO_LARGE = "Request too large for gpt-4o in organization org-x on tokens per min (TPM): Limit 30000, Requested 342389."
