"""The ledger's records, to be looked at."""

from __future__ import annotations

from datetime import datetime

from django.db import models

from tilia_async.ledger.record import RecordState


class BlockRecord(models.Model):
    """A block or unblock on record.

    The table is the ledger's own: Django neither makes nor changes it.
    """

    id: models.BigAutoField[int, int] = models.BigAutoField(primary_key=True)
    account_id: models.CharField[str, str] = models.CharField(max_length=255)
    action: models.CharField[str, str] = models.CharField(
        max_length=16, choices=[("block", "block"), ("unblock", "unblock")]
    )
    state: models.CharField[str, str] = models.CharField(
        max_length=16, choices=[(state.value, state.value) for state in RecordState]
    )
    reason: models.TextField[str | None, str | None] = models.TextField(null=True)
    actor: models.TextField[str | None, str | None] = models.TextField(null=True)
    job_id: models.CharField[str | None, str | None] = models.CharField("job", max_length=255, null=True)
    source: models.CharField[str, str] = models.CharField(
        max_length=16, choices=[(name, name) for name in ("call", "bulk", "webhook")]
    )
    issuer: models.CharField[str, str] = models.CharField(max_length=255)
    review_at: models.DateTimeField[datetime | None, datetime | None] = models.DateTimeField(null=True)
    requested_at: models.DateTimeField[datetime, datetime] = models.DateTimeField()
    settled_at: models.DateTimeField[datetime | None, datetime | None] = models.DateTimeField(null=True)
    error: models.TextField[str | None, str | None] = models.TextField(null=True)

    class Meta:
        managed = False
        db_table = "tilia_block_records"
        verbose_name = "block record"

    def __str__(self) -> str:
        return f"{self.action} of {self.account_id}: {self.state}"
