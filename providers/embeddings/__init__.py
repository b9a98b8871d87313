"""Embeddings of one request of OpenAI's API at providers with other APIs."""
