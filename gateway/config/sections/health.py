"""`health`: probes, and when a deployment is taken out."""

from __future__ import annotations

from pydantic import Field

from gateway.config.fields import Count, Section, Wait


class Health(Section):
    check_interval: Wait = Field(60.0, description="Time between two background probes of a deployment.")
    rolling_window: Count = Field(
        5,
        description="Failures in a row that take a deployment out (no window: the name is that of older files).",
    )
    cooldown: Wait = Field(
        120.0, description="Longest rest of a deployment that was taken out. More than `2m` counts as `2m`."
    )
    eject_outliers: bool = Field(
        default=True,
        description="Take out a deployment that does far worse than its peers (docs/routing.md).",
    )
