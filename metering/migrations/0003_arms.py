from __future__ import annotations

from typing import Any

from django.db import migrations, models
from django.db.models import Q

# The arm of a call was inside its decision before it had a column of its own.
ARM = {"sqlite": "json_extract(decision, '$[0].arm')", "postgresql": "decision->0->>'arm'"}


def lift_what_is_there(_: Any, schema_editor: Any) -> None:
    with schema_editor.connection.cursor() as cursor:
        arm = ARM[schema_editor.connection.vendor]
        cursor.execute(
            f"UPDATE metering_usageevent SET arm = {arm} "  # noqa: S608 - one of two known texts
            f"WHERE {arm} IS NOT NULL",
            [],
        )


class Migration(migrations.Migration):
    dependencies = [
        ("metering", "0002_hourly_usage"),
    ]

    operations = [
        migrations.AddField(
            model_name="usageevent",
            name="arm",
            field=models.CharField(
                blank=True, db_default="", help_text="Of the alias's experiment.", max_length=200
            ),
        ),
        migrations.RunPython(lift_what_is_there, migrations.RunPython.noop, elidable=True),
        migrations.AddIndex(
            model_name="usageevent",
            index=models.Index(
                condition=~Q(arm=""), fields=["model", "started_at"], name="usage_event_experiment"
            ),
        ),
    ]
