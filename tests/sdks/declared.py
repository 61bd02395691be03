"""The types that the SDK's classes declare for the attributes of their instances."""

import ast
import inspect
import sys
import textwrap
import types
from typing import Any, Union, get_args, get_origin, get_type_hints

UNLIKE_THE_VENDORS: dict[str, Any] = {
    # Declared as dictionaries of dictionaries, and documented by the vendor as three texts.
    "send_code_attempts": list[dict[str, str]],
}


def declared(kind: type) -> dict[str, Any]:
    """Read the attributes of a class of the SDK from the annotations in its constructor."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(kind.__init__)))  # type: ignore[misc]
    found = {
        node.target.attr: ast.unparse(node.annotation)
        for node in ast.walk(tree)
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Attribute)
    }
    holder = type("Holder", (), {"__annotations__": found})
    hints = get_type_hints(holder, vars(sys.modules[kind.__module__]))
    public = {name: hint for name, hint in hints.items() if not name.startswith("_")}
    return public | {
        name: UNLIKE_THE_VENDORS[name] for name in public.keys() & UNLIKE_THE_VENDORS.keys()
    }


def is_of(value: object, kind: Any) -> bool:  # noqa: ANN401 - any annotation
    """Return whether a value is of a declared type; a class of constants admits its constants."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return any(is_of(value, one) for one in arguments)
    if origin is list:
        return isinstance(value, list) and all(is_of(one, arguments[0]) for one in value)
    if origin is dict:
        return isinstance(value, dict) and all(
            is_of(name, arguments[0]) and is_of(one, arguments[1]) for name, one in value.items()
        )
    if kind.__module__.startswith("twilio."):
        return value in {one for name, one in vars(kind).items() if name.isupper()}
    return kind is object or type(value) is kind


def unlike_declared(instance: object) -> dict[str, object]:
    """The attributes of an instance that are not of their declared types, with their values."""
    hints = declared(type(instance))
    assert hints.keys() == {name for name in vars(instance) if not name.startswith("_")}
    return {
        name: getattr(instance, name)
        for name, hint in hints.items()
        if not is_of(getattr(instance, name), hint)
    }
