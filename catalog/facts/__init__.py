"""What is known of models: the vendored defaults, what a row states, and what a vendor says of its own models."""
