"""Tilia's API as an OpenAPI document, from the operations' declarations."""

from tilia_async.openapi.build import document

__all__ = ["document"]
