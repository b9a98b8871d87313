"""Serves the static files of pages. They are located on the first request for one, not at startup: that takes 50 ms of
CPU, and a gateway that is only called for /v1 never needs it.
"""

from __future__ import annotations

import asyncio
import threading

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from servestatic.middleware import ServeStaticMiddleware
from typing_extensions import override


class StaticFiles(ServeStaticMiddleware):  # type: ignore[misc]  # it has no types
    """servestatic's, which calls `add_files_from_finders` in its constructor."""

    _found = False

    @override
    def add_files_from_finders(self) -> None:
        self._looking = threading.Lock()

    @override
    async def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if not self._found and request.path_info.startswith(self.static_prefix):
            await asyncio.to_thread(self._find)  # it reads directories, and calls share this loop
        answer: HttpResponseBase = await super().__call__(request)
        return answer

    def _find(self) -> None:
        with self._looking:
            if not self._found:
                super().add_files_from_finders()
                self._found = True
