"""The accounts that the vendors know: two each, so that a test sees when state of one reaches the other. OpenAI has a
third, and a second key of its first, as after a rotation.
"""

from __future__ import annotations

from typing import Any

import msgspec
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

VENDORS = ("openai", "anthropic", "azure", "bedrock", "vertex", "huggingface")
ONE, TWO, THREE = "one", "two", "three"
PROJECT, LOCATION, REGION = "project-1", "global", "us-east-1"

# Keys by vendor, each with the account that it belongs to. Azure's and Bedrock's are beside their other schemes.
KEYS: dict[str, dict[str, str]] = {
    "openai": {
        "sk-openai-one": ONE,
        "sk-openai-one-rotated": ONE,
        "sk-openai-two": TWO,
        "sk-openai-three": THREE,
    },
    "anthropic": {"sk-ant-one": ONE, "sk-ant-two": TWO},
    "azure": {"azure-key-one": ONE, "azure-key-two": TWO},
    "bedrock": {"bedrock-api-key-one": ONE, "bedrock-api-key-two": TWO},
    "vertex": {"AIza-one": ONE, "AIza-two": TWO},
    "huggingface": {"hf_one": ONE, "hf_two": TWO},
}
ENTRA_TOKENS = {"entra-token-one": ONE, "entra-token-two": TWO}
AWS_KEYS = {"AKIAONE": ("aws-secret-one", ONE), "AKIATWO": ("aws-secret-two", TWO)}
AWS_SESSION_TOKEN = "session-token"  # accepted, and then it must be signed


class ServiceAccount(msgspec.Struct, frozen=True):
    """A service account of Google: what the vendor keeps of it, and the JSON that a client has."""

    account: str
    email: str
    key_id: str
    public: rsa.RSAPublicKey
    document: dict[str, Any]


def service_account(account: str, token_uri: str) -> ServiceAccount:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    email, key_id = f"{account}@{PROJECT}.iam.gserviceaccount.com", f"key-{account}"
    document = {
        "type": "service_account",
        "project_id": PROJECT,
        "private_key_id": key_id,
        "private_key": pem,
        "client_email": email,
        "client_id": "1",
        "token_uri": token_uri,
    }
    return ServiceAccount(account, email, key_id, key.public_key(), document)
