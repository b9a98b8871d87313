"""OpenAI's Responses API, as a client's API and as a provider's."""
