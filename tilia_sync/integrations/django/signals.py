"""The signal of a notification."""

from __future__ import annotations

from typing import Final

from django.dispatch import Signal

event_received: Final = Signal()
"""Signal of a notification; its sender is the event's class.

It has the argument ``event``:

::

    @receiver(event_received, sender=AccountBlockChanged)
    def blocked(event: AccountBlockChanged, **kwargs): ...

It is sent at least once for an event, and events come in any order. If a receiver raises, Tilia repeats the
notification, and all receivers are called again.
"""
