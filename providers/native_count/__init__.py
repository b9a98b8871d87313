"""Counts the tokens of a prompt at its provider, where the provider's API can: that costs nothing there."""
