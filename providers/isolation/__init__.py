"""Keeps tenants that share a provider's account apart: names are salted, and state is marked with its owner."""
