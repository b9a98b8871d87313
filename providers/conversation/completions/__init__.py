"""OpenAI's completions API, as a client's: one prompt in, one text out."""
