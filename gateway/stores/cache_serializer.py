"""How values are written to Django's cache in Redis: as JSON, which executes nothing when it is read."""

from __future__ import annotations

import logging
from typing import Any

from django_redis.serializers.json import JSONSerializer
from prometheus_client import Counter
from typing_extensions import override

logger = logging.getLogger(__name__)

UNREADABLE = Counter("gateway_cache_unreadable", "Values in the shared cache that are not JSON")


class CacheJson(JSONSerializer):  # type: ignore[misc]  # django-redis has no types
    """A value that is not JSON was written by another program, or by an older release: it counts as absent."""

    _has_warned = False

    @override
    def loads(self, value: bytes) -> Any:
        try:
            return super().loads(value)
        except (ValueError, RecursionError) as error:
            UNREADABLE.inc()
            if not CacheJson._has_warned:
                CacheJson._has_warned = True
                logger.warning("cache.value.unreadable", extra={"error": str(error)})
            return None
