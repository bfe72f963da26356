"""The app."""

from __future__ import annotations

from django.apps import AppConfig
from django.core import checks


class TiliaConfig(AppConfig):
    """Configuration of the app."""

    name = "tilia_sync.integrations.django"
    label = "tilia"

    def ready(self) -> None:
        """Register the system checks."""
        from tilia_sync.integrations.django.checks import check_settings  # noqa: PLC0415 - Django is set up only now

        checks.register(check_settings, "tilia")
