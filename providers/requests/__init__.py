"""What each member of a request costs, keeps and reaches: one table per upstream API, and who reads a body by it."""
