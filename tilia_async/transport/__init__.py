"""Requests on the wire: the only room that touches aiohttp."""
