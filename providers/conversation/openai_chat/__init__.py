"""OpenAI's chat API as a provider's: OpenAI, Azure, and the servers that are compatible with it."""
