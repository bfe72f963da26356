"""Generated readers, each for one model.

The functions are written for one model each, and read an answer's fields into it.

They do what a loop over the fields would do; for most fields that loop costs more than the reading.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import Any, Final

import attrs

NOTHING: Final = object()
"""Placeholder for a missing default or field.

Stands for the default of a field that has none, and is what its reader gets if the field is not there.
"""

Read = Callable[[Any, Any], Any]


@attrs.frozen
class FieldRule:
    """The rule for reading a field of a model.

    Attributes:
        name: in the answer.
        keyword: the parameter of the model's constructor, if it is not given by its position.
        default: what the field is if it is not there, or null; ``NOTHING``: that is for ``read`` to say.
        as_it_is: the type of which any value is taken as it comes; None: there is no such type.
        read: reads any other value.
    """

    name: str
    keyword: str | None
    default: object
    as_it_is: type | None
    read: Read


def model_reader(target: type[Any], rules: Iterable[FieldRule], as_object: Read) -> Read:
    """Write the function that makes a model.

    It makes it of a mapping, its fields in the order of the rules.

    For a field ``email: str | None = None`` it has the lines ::

        v2 = get("email")
        if v2 is not None and type(v2) is not type2:
            v2 = read2(v2, None)

    A frozen model is filled while it is not frozen yet: its fields are set on an instance of a class of the same slots,
    which then becomes the model's. That costs a quarter of its constructor.

    Args:
        as_object: makes a mapping of what is none, or raises.
    """
    unfrozen = _unfrozen(target)
    known: dict[str, Any] = {"target": target, "unfrozen": unfrozen, "as_object": as_object}
    lines = [
        "def read_model(fields, _):",
        "    if type(fields) is not dict:",
        "        fields = as_object(fields, None)",
        "    get = fields.get",
    ]
    values: list[str] = []
    names: list[str] = []
    for number, rule in enumerate(rules):
        value = f"v{number}"
        names.append(rule.name)
        values.append(value if rule.keyword is None else f"{rule.keyword}={value}")
        known |= {f"default{number}": rule.default, f"type{number}": rule.as_it_is, f"read{number}": rule.read}
        is_odd = "True" if rule.as_it_is is None else f"type({value}) is not type{number}"
        if rule.default is NOTHING:
            lines += [f"    {value} = get({rule.name!r}, default{number})", f"    if {is_odd}:"]
        elif rule.default is None:
            lines += [f"    {value} = get({rule.name!r})", f"    if {value} is not None and {is_odd}:"]
        else:
            lines += [f"    {value} = get({rule.name!r})", f"    if {value} is None:"]
            lines += [f"        {value} = default{number}", f"    elif {is_odd}:"]
        lines.append(f"        {value} = read{number}({value}, None)")
    if unfrozen is None:
        lines.append(f"    return target({', '.join(values)})")
    else:
        lines.append("    model = unfrozen()")
        lines += [f"    model.{name} = v{number}" for number, name in enumerate(names)]
        lines += ["    model.__class__ = target", "    return model"]
    exec(compile("\n".join(lines), f"<reader of {target.__qualname__}>", "exec"), known)  # noqa: S102 - of our own fields' names
    written: Read = known["read_model"]
    return written


def _unfrozen(target: type[Any]) -> type[Any] | None:
    """Return an unfrozen class with a model's slots.

    None for a model whose constructor does more than set them.
    """
    fields = attrs.fields(target)
    does_more = any(field.converter or field.validator or field.on_setattr or not field.init for field in fields)
    slots = [getattr(target, field.name, None) for field in fields]
    if does_more or hasattr(target, "__attrs_post_init__") or not all(map(inspect.ismemberdescriptor, slots)):
        return None
    unfrozen = type(target.__name__, target.__bases__, {"__slots__": target.__slots__})
    try:
        unfrozen().__class__ = target
    except TypeError:
        # It has more than slots: "__weakref__", which the models have of their common class.
        return None
    return unfrozen
