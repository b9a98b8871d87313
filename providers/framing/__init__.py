"""Splits the bytes of a stream into its events: server-sent events, and AWS event streams."""
