"""Converse and InvokeModel as Bedrock has them."""
