"""What this app tells the rest of the process: that something a running server keeps in memory was changed."""

from __future__ import annotations

from django.dispatch import Signal

config_changed = Signal()  # after the commit; receivers must be quick and may be called from any thread
