"""The parts of a Messages request that are written from a conversation."""
