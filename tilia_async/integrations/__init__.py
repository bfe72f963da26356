"""Integrations into web frameworks.

Each is imported only when it is used.
"""
