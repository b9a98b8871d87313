"""Writes the parts of a request of the Converse API."""
