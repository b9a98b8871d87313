from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("metering", "0006_labels"),
    ]

    operations = [
        migrations.RenameModel(old_name="StaleHour", new_name="ChangedHour"),
        migrations.RemoveConstraint(model_name="changedhour", name="stale_hour_once"),
        migrations.AddConstraint(
            model_name="changedhour",
            constraint=models.UniqueConstraint(fields=("hour", "generation"), name="changed_hour_once"),
        ),
    ]
