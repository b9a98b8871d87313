"""A stored error holds no frame, nor do the errors that caused it."""

from __future__ import annotations

import gc
import weakref

import pytest

from providers.errors.tracebacks import drop_frames


class Something:
    pass


def fail(held: Something) -> None:
    try:
        raise KeyError(repr(held))
    except KeyError:
        try:
            raise ValueError(repr(held))
        except ValueError as second:
            raise ProcessLookupError from second


def test_objects_of_the_frames_are_freed_at_once():
    gc.disable()
    try:
        held = Something()
        known = weakref.ref(held)
        with pytest.raises(ProcessLookupError) as raised:
            fail(held)
        error = raised.value
        del raised, held
        assert known() is not None
        drop_frames(error)
        assert known() is None
        assert isinstance(error.__cause__, ValueError)
        assert isinstance(error.__cause__.__context__, KeyError)
    finally:
        gc.enable()


def test_chained_errors_are_freed_too():
    one, other = ValueError(), KeyError()
    one.__cause__, other.__context__ = other, one
    drop_frames(one)
    assert one.__traceback__ is other.__traceback__ is None
