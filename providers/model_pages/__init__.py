"""What a provider says of its own models: the page of one model, and the facts in it."""
