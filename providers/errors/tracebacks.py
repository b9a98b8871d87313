"""Removes the traceback frames from an error. Pure.

A frame references all variables of its function, the error among them: a reference cycle with all data of a call,
which only the garbage collector would free. Not for errors whose traceback is still to be logged.
"""

from __future__ import annotations


def drop_frames(error: BaseException) -> None:
    """Remove them from this error, and from its causes and contexts."""
    left, seen = [error], {id(error)}
    while left:
        each = left.pop()
        each.__traceback__ = None
        for other in (each.__cause__, each.__context__):
            if other is not None and id(other) not in seen:
                seen.add(id(other))
                left.append(other)
