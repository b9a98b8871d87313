"""A name for each deployment that its secrets are sealed for. Null for rows that the release before adds meanwhile."""

from __future__ import annotations

from django.db import migrations, models

import catalog.models


class Migration(migrations.Migration):
    dependencies = [
        ("catalog", "0004_shadows"),
    ]

    operations = [
        migrations.AddField(
            model_name="deployment",
            name="seal_id",
            field=models.CharField(editable=False, max_length=32, null=True, unique=True),
        ),
        # The default is Python's and each row's own, so that the column above begins with nulls.
        migrations.AlterField(
            model_name="deployment",
            name="seal_id",
            field=models.CharField(
                default=catalog.models.new_seal_id, editable=False, max_length=32, null=True, unique=True
            ),
        ),
    ]
