"""Takes from an error the frames that it came through. Pure.

A frame has all the variables of its function, the error among them: a cycle with everything that was known of a call,
which only the garbage collector would find. Not for errors whose traceback is still to be logged.
"""

from __future__ import annotations


def drop_frames(error: BaseException) -> None:
    """Take them from this error, and from those that it came of."""
    left, seen = [error], {id(error)}
    while left:
        each = left.pop()
        each.__traceback__ = None
        for other in (each.__cause__, each.__context__):
            if other is not None and id(other) not in seen:
                seen.add(id(other))
                left.append(other)
