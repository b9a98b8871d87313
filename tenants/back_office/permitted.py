"""The pages of the administration ask the table of permissions (tenants/permissions.py), then Django's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from typing_extensions import override

from tenants.permissions import CREATE, DELETE, UPDATE, VIEW, may, site_role

if TYPE_CHECKING:
    from django.contrib.admin.options import BaseModelAdmin
    from django.http import HttpRequest

    Base = BaseModelAdmin[Any]
else:
    Base = object


def person_may(request: HttpRequest, verb: str, resource: str) -> bool:
    """Return whether the table lets the person behind a request do this."""
    return may(site_role(request.user), verb, resource)


class Permitted(Base):
    """A mixin for pages and their inlines. A model that the table does not name has no page that opens."""

    def resource_of(self, request: HttpRequest, obj: Any = None) -> str:  # noqa: ARG002 - for pages that look at them
        """Return the name of a row in the table. `obj` is that of the page: for an inline, the owner's row."""
        return self.opts.model_name or ""

    @override
    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._may(request, VIEW, obj) and super().has_view_permission(request, obj)

    @override
    def has_add_permission(self, request: HttpRequest, *obj: Any) -> bool:
        return self._may(request, CREATE, None) and super().has_add_permission(request, *obj)

    @override
    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._may(request, UPDATE, obj) and super().has_change_permission(request, obj)

    @override
    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._may(request, DELETE, obj) and super().has_delete_permission(request, obj)

    def _may(self, request: HttpRequest, verb: str, obj: Any) -> bool:
        return person_may(request, verb, self.resource_of(request, obj))
