"""Credentials at rest."""

from __future__ import annotations

import pytest

from catalog.secrets.encryption import CredentialUnreadable, decrypt, encrypt

KEY = b"k" * 32
OTHER = b"o" * 32


def test_sealed_text_is_decrypted():
    sealed = encrypt(KEY, "gpt-4o/east", "sk-upstream")

    assert sealed.startswith("v1:")
    assert "sk-upstream" not in sealed
    assert decrypt(KEY, "gpt-4o/east", sealed) == "sk-upstream"


def test_sealing_twice_gives_different_texts():
    assert encrypt(KEY, "a", "same") != encrypt(KEY, "a", "same")


def test_another_key_cannot_decrypt_a_secret():
    sealed = encrypt(KEY, "a", "secret")

    with pytest.raises(CredentialUnreadable):
        decrypt(OTHER, "a", sealed)


def test_ciphertext_does_not_decrypt_under_another_name():
    sealed = encrypt(KEY, "a", "secret")

    with pytest.raises(CredentialUnreadable):
        decrypt(KEY, "b", sealed)


@pytest.mark.parametrize("damage", ["", "v1", "v1:::", "plain", "v2:x:y:z", "v1:é:é:é"])
def test_a_damaged_ciphertext_is_reported(damage):
    with pytest.raises(CredentialUnreadable):
        decrypt(KEY, "a", damage)


def test_a_changed_byte_is_noticed():
    sealed = encrypt(KEY, "a", "secret")
    changed = sealed[:-3] + ("A" if sealed[-3] != "A" else "B") + sealed[-2:]

    with pytest.raises(CredentialUnreadable):
        decrypt(KEY, "a", changed)
