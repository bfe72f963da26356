"""The pure part of a call.

Values in, bytes out, and back. No socket, no clock, no task.
"""
