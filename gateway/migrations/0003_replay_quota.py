"""What one tenant has kept for its Idempotency-Keys can be summed up; older answers count nothing, for a day."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("gateway", "0002_serving_worker"),
    ]

    operations = [
        migrations.AddField(
            model_name="replay",
            name="size",
            field=models.PositiveIntegerField(db_default=0, default=0),
        ),
        migrations.AddField(
            model_name="replay",
            name="tenant_id",
            field=models.BigIntegerField(db_default=0, default=0),
        ),
        migrations.AddIndex(
            model_name="replay",
            index=models.Index(
                condition=models.Q(("state", "done")),
                fields=["tenant_id", "size"],
                name="replay_kept_by_tenant",
            ),
        ),
    ]
