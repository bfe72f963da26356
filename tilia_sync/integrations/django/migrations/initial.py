"""The ledger's table, as Django's permissions need it.

No database is changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from django.db import migrations, models
from django.db.migrations.operations.base import Operation

_STATES = ("intended", "confirmed", "not_found", "refused", "unknown", "failed", "kept")


class Migration(migrations.Migration):
    """The unmanaged model of a record."""

    initial: ClassVar[bool | None] = True
    dependencies: ClassVar[Sequence[tuple[str, str]]] = ()
    operations: ClassVar[Sequence[Operation]] = (
        migrations.CreateModel(
            name="BlockRecord",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("account_id", models.CharField(max_length=255)),
                ("action", models.CharField(choices=[("block", "block"), ("unblock", "unblock")], max_length=16)),
                ("state", models.CharField(choices=[(state, state) for state in _STATES], max_length=16)),
                ("reason", models.TextField(null=True)),
                ("actor", models.TextField(null=True)),
                ("job_id", models.CharField(max_length=255, null=True, verbose_name="job")),
                (
                    "source",
                    models.CharField(
                        choices=[("call", "call"), ("bulk", "bulk"), ("webhook", "webhook")], max_length=16
                    ),
                ),
                ("issuer", models.CharField(max_length=255)),
                ("review_at", models.DateTimeField(null=True)),
                ("requested_at", models.DateTimeField()),
                ("settled_at", models.DateTimeField(null=True)),
                ("error", models.TextField(null=True)),
            ],
            options={"verbose_name": "block record", "db_table": "tilia_block_records", "managed": False},
        ),
    )
