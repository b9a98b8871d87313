"""Measures images and audio from their own bytes, so that their content is the upper bound, not their byte size."""
