"""Measures pictures and sounds from their own bytes, so that they are bounded by what they are, not by their size."""
