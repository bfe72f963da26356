"""The pure part of a call: values in, bytes out, and back. No socket, no clock, no task."""
