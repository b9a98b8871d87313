"""The files of pages are searched once, at the first request, however many requests come at once."""

from __future__ import annotations

import asyncio
from typing import Any

from django.http import HttpResponse
from django.test import AsyncRequestFactory
from servestatic.middleware import ServeStaticMiddleware

from gateway.site.static_files import StaticFiles

CSS = "/static/gateway/home.css"


async def page(request):
    return HttpResponse("a page")


async def test_static_files_are_searched_once_at_the_first_request(monkeypatch):
    searches = []
    search = ServeStaticMiddleware.add_files_from_finders

    def noted(middleware):
        searches.append(middleware)
        search(middleware)

    monkeypatch.setattr(ServeStaticMiddleware, "add_files_from_finders", noted)
    get = AsyncRequestFactory().get
    middleware: Any = StaticFiles(page)
    assert (await middleware(get("/admin/ui/"))).content == b"a page"
    assert searches == []
    answers = await asyncio.gather(*(middleware(get(CSS)) for _ in range(8)))
    assert [(answer.status_code, answer["Content-Type"]) for answer in answers] == [
        (200, 'text/css; charset="utf-8"')
    ] * 8
    assert (await middleware(get("/static/no/such.css"))).content == b"a page"
    assert (await middleware(get("/static/../settings.py"))).content == b"a page"
    assert searches == [middleware]
    for answer in answers:
        answer.close()
