"""What each member of a request costs, stores and reaches: one table per upstream API, and the parser that uses it."""
