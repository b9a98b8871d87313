"""OpenAI's chat API as a client's: requests in, responses out."""
