from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("gateway", "0007_job_runs"),
    ]

    operations = [
        migrations.RenameModel(old_name="Replay", new_name="IdempotencyRecord"),
        migrations.RenameIndex(
            model_name="idempotencyrecord",
            old_name="replay_kept_by_tenant",
            new_name="idempotency_kept_by_tenant",
        ),
        migrations.RemoveConstraint(model_name="idempotencyrecord", name="replay_state_known"),
        migrations.AddConstraint(
            model_name="idempotencyrecord",
            constraint=models.CheckConstraint(
                condition=models.Q(("state__in", ("started", "done", "unstored"))),
                name="idempotency_state_known",
            ),
        ),
    ]
