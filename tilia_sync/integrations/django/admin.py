"""The ledger in Django's admin, read-only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from tilia_sync.integrations.django.app_settings import read_settings
from tilia_sync.integrations.django.models import BlockRecord

if TYPE_CHECKING:
    _Admin = admin.ModelAdmin[BlockRecord]
else:
    _Admin = admin.ModelAdmin  # which is generic for checkers of types only


class _BlockRecordAdmin(_Admin):
    """Records of blocks, to be searched and read.

    Nobody can add, change or delete one here: blocks are made by calls.
    """

    list_display = ("requested_at", "action", "account_id", "state", "reason", "actor", "job_id", "source", "issuer")
    list_filter = ("state", "action", "source", "review_at")
    search_fields = ("=account_id", "=job_id", "=actor")
    ordering = ("-id",)
    actions = None
    # A ledger may hold millions.
    show_full_result_count = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[BlockRecord]:
        """Return the records of the ledger's database."""
        return super().get_queryset(request).using(read_settings().ledger_database)

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002 - Django's signature
        """Return False: nobody may."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: BlockRecord | None = None) -> bool:  # noqa: ARG002 - as above
        """Return False: nobody may."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: BlockRecord | None = None) -> bool:  # noqa: ARG002 - as above
        """Return False: nobody may."""
        return False


if read_settings().ledger_database is not None:
    admin.site.register(BlockRecord, _BlockRecordAdmin)
