"""Reads the usage that a provider reports in an OpenAI-like shape, wherever it puts it, into the disjoint vector."""
