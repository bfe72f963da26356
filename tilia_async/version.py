"""The version of this package.

Here alone, so that it is known without the metadata of an installation.
"""

__version__ = "0.2.0"
