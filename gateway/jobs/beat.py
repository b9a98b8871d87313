"""Celery beat that stores in a JSON file when each job was last done: reading the file cannot run code.

Celery's own scheduler keeps a shelf of pickles, which runs any code that a writer of data_dir put there.
"""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from pathlib import Path

from celery.beat import Scheduler
from typing_extensions import override

logger = logging.getLogger(__name__)


class JsonScheduler(Scheduler):  # type: ignore[misc]  # Celery has no types
    """Set it as `beat_scheduler`; its file is `beat_schedule_filename`."""

    @override
    def setup_schedule(self) -> None:
        super().setup_schedule()
        for name, at in self._read().items():
            entry = self.schedule.get(name)
            if entry is not None:
                entry.last_run_at = at

    @override
    def sync(self) -> None:
        done = {name: entry.last_run_at.timestamp() for name, entry in self.schedule.items()}
        draft = self._file.with_name(f".{self._file.name}.new")
        draft.touch(0o600)
        draft.write_text(json.dumps(done))
        draft.replace(self._file)

    @property
    @override
    def info(self) -> str:
        return f"    . file -> {self._file}"

    @property
    def _file(self) -> Path:
        return Path(self.app.conf.beat_schedule_filename)

    def _read(self) -> dict[str, datetime]:
        """Return when jobs were last done; empty if the file is missing or cannot be read: then all are due."""
        try:
            found = json.loads(self._file.read_text())
            now = datetime.now(UTC)
            return {name: min(now, datetime.fromtimestamp(float(at), UTC)) for name, at in found.items()}
        except FileNotFoundError:
            return {}
        except (ValueError, TypeError, AttributeError, OverflowError, OSError, RecursionError) as error:
            logger.warning("job.file.unreadable", extra={"path": str(self._file), "error": str(error)})
            return {}
