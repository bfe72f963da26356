"""Integrations into web frameworks and task queues.

Each is imported only when it is used.
"""
