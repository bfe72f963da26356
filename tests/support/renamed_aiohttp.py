"""The installed aiohttp with other names in it.

Releases to come may have them.

Importing this does so for the process: ``PYTHONPATH=tests pytest -p support.renamed_aiohttp`` runs any test that way.
``TILIA_TEST_AIOHTTP`` says which names: ``four`` (the default) has those of aiohttp's branch for its version 4, and its
constructor of requests, which wants all keywords; ``unheard`` sends by a method of which nobody has heard.
"""

from __future__ import annotations

import ast
import importlib.abc
import importlib.machinery
import importlib.util
import os
import sys
from collections.abc import Sequence
from types import CodeType, ModuleType

CHOSEN = os.environ.get("TILIA_TEST_AIOHTTP", "four")
UPDATED = "host version headers auto_headers cookies content_encoding transfer_encoding auth body_from_data expect_continue proxy"
NAMES = {
    "four": {name: f"_{name}" for name in ("send", "write_bytes", *(f"update_{what}" for what in UPDATED.split()))},
    "unheard": {"send": "put_on_the_wire", "write_bytes": "put_body_on_the_wire"},
}[CHOSEN]
MODULES = {"aiohttp.client", "aiohttp.client_reqrep", "aiohttp.connector"}
REQUESTS = {"req", "proxy_req", "self"}
"""Variables that hold a request.

Those of the modules where one of its methods is called.
"""


class Renaming(ast.NodeTransformer):
    """New names for methods of ``ClientRequest``.

    They are changed where they stand and where they are called.
    """

    def __init__(self) -> None:
        self.renamed: set[str] = set()

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.value, ast.Name) and node.value.id in REQUESTS and node.attr in NAMES:
            self.renamed.add(node.attr)
            node.attr = NAMES[node.attr]
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        self.generic_visit(node)
        if node.name == "ClientRequest":
            for each in node.body:
                if not isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef):
                    continue
                if each.name in NAMES:
                    self.renamed.add(each.name)
                    each.name = NAMES[each.name]
                if each.name == "__init__" and CHOSEN == "four":
                    each.args.kw_defaults = [None for _ in each.args.kw_defaults]
        return node


class Loader(importlib.machinery.SourceFileLoader):
    """A loader that compiles with other names.

    It leaves no bytecode of that behind.
    """

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        tree = ast.parse(self.get_data(path))
        renaming = Renaming()
        tree = ast.fix_missing_locations(renaming.visit(tree))
        if "send" not in renaming.renamed:
            raise ImportError(f"{fullname} sends in another way than it did: {__file__} has to learn which")
        return compile(tree, path, "exec")


class Finder(importlib.abc.MetaPathFinder):
    """A finder of the modules that are renamed.

    It finds them where they are installed.
    """

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname not in MODULES:
            return None
        found = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if found is None or found.origin is None:
            return None
        return importlib.util.spec_from_file_location(fullname, found.origin, loader=Loader(fullname, found.origin))


if "aiohttp" in sys.modules:
    raise ImportError("aiohttp is loaded already, with its own names")
sys.meta_path.insert(0, Finder())
