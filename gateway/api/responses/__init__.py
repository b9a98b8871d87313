"""/v1/responses: one operation, or one group of operations, per file."""
