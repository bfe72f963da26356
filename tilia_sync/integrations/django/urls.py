"""The addresses of notifications.

With ``BASIC_AUTH`` alone, and with a ``PATH_SECRET``.
"""

from __future__ import annotations

from django.urls import URLPattern, path

from tilia_sync.integrations.django.views import webhook_view

app_name: str = "tilia"
urlpatterns: list[URLPattern] = [
    path("", webhook_view, name="webhook"),
    path("<str:secret>", webhook_view, name="webhook_with_secret"),
]
