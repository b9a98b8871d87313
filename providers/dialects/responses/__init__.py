"""Responses to Responses: bytes pass, and ids are marked with the deployment that made them."""
