"""Small expressions over named values, for conditions that people write into a config. No Python is run.

Numbers, texts, lists, names, comparisons, and/or/not, arithmetic, `x if c else y`, indexing, and the functions below.
What is not in the list is refused when the text is read. Sizes are limited, so that no expression hangs.
"""

import ast
import operator
from collections.abc import Callable, Mapping
from typing import Any

_LONGEST = 2_000  # characters of an expression
_LONGEST_TEXT = 1_000_000  # characters of a text that + or * makes
_PATTERN_SECONDS = 0.2


class ExpressionError(ValueError):
    """An expression that cannot be read, or not be evaluated with these values; the message says why."""


class UnknownNameError(ExpressionError):
    """A name that has no value here; `name` is it."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is not known")
        self.name = name


def _matches(pattern: str, text: str) -> bool:
    import regex

    try:
        return regex.search(pattern, text, timeout=_PATTERN_SECONDS) is not None
    except (regex.error, TimeoutError) as error:
        raise ExpressionError(f"matches: {error}") from None


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "len": len,
    "lower": lambda text: str.lower(text),
    "upper": lambda text: str.upper(text),
    "strip": lambda text: str.strip(text),
    "words": lambda text: str.split(text),
    "startswith": lambda text, start: str.startswith(text, start),
    "endswith": lambda text, end: str.endswith(text, end),
    "count": lambda text, part: str.count(text, part),
    "matches": _matches,
    "number": float,
    "abs": abs,
    "min": min,
    "max": max,
    "round": round,
}


def _add(left: Any, right: Any) -> Any:
    if isinstance(left, str) and isinstance(right, str) and len(left) + len(right) > _LONGEST_TEXT:
        raise ExpressionError("a text grows too long")
    if isinstance(left, (list, tuple)) or isinstance(right, (list, tuple)):
        raise ExpressionError("lists cannot be added")
    return left + right


def _numbers(does: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def checked(left: Any, right: Any) -> Any:
        if not (isinstance(left, (int, float)) and isinstance(right, (int, float))):
            raise ExpressionError(f"numbers are due, got {type(left).__name__} and {type(right).__name__}")
        if max(abs(left), abs(right)) > 1e15:
            raise ExpressionError("a number is too large")
        return does(left, right)

    return checked


_BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: _add,
    ast.Sub: _numbers(operator.sub),
    ast.Mult: _numbers(operator.mul),
    ast.Div: _numbers(operator.truediv),
    ast.FloorDiv: _numbers(operator.floordiv),
    ast.Mod: _numbers(operator.mod),
}
_UNARY: dict[type[ast.unaryop], Callable[[Any], Any]] = {
    ast.Not: operator.not_,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
}
_COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda left, right: left in right,
    ast.NotIn: lambda left, right: left not in right,
    ast.Is: operator.is_,
    ast.IsNot: operator.is_not,
}
_KNOWN = (
    *(ast.Expression, ast.Constant, ast.Name, ast.Load, ast.BoolOp, ast.And, ast.Or, ast.BinOp, ast.UnaryOp),
    *(ast.Compare, ast.IfExp, ast.Call, ast.Subscript, ast.List, ast.Tuple, *_BINARY, *_UNARY, *_COMPARE),
)


def parse(text: str) -> ast.expr:
    """Read an expression; raises ExpressionError for what is not one, and for what is not allowed in it."""
    if len(text) > _LONGEST:
        raise ExpressionError(f"an expression may have {_LONGEST} characters, this one has {len(text)}")
    try:
        whole = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ExpressionError(f"cannot be read: {getattr(error, 'msg', error)}") from None
    for node in ast.walk(whole):
        _check(node)
    return whole.body


def _check(node: ast.AST) -> None:
    if not isinstance(node, _KNOWN):
        raise ExpressionError(f"{type(node).__name__} is not allowed in an expression")
    if isinstance(node, ast.Constant) and not isinstance(node.value, (str, int, float, bool, type(None))):
        raise ExpressionError(f"{node.value!r} is not allowed in an expression")
    if isinstance(node, ast.Call):
        name = node.func.id if isinstance(node.func, ast.Name) else "this"
        if name not in FUNCTIONS or node.keywords:
            raise ExpressionError(f"{name} is no function here; there are: {', '.join(FUNCTIONS)}")


def evaluate(node: ast.expr, names: Mapping[str, Any]) -> Any:
    """The value of a parsed expression. Raises ExpressionError where it has none, UnknownNameError for a name."""
    try:
        return _value(node, names)
    except ExpressionError:
        raise
    except (TypeError, ValueError, LookupError, ArithmeticError, RecursionError) as error:
        raise ExpressionError(f"{type(error).__name__}: {error}") from None


def _value(node: ast.expr, names: Mapping[str, Any]) -> Any:
    match node:
        case ast.Constant(value=value):
            return value
        case ast.Name(id=name):
            if name not in names:
                raise UnknownNameError(name)
            return names[name]
        case ast.BoolOp(op=op, values=values):
            return _joined(isinstance(op, ast.And), values, names)
        case ast.BinOp(left=left, op=op, right=right):
            return _BINARY[type(op)](_value(left, names), _value(right, names))
        case ast.UnaryOp(op=op, operand=operand):
            return _UNARY[type(op)](_value(operand, names))
        case ast.Compare(left=left, ops=ops, comparators=others):
            return _compared(_value(left, names), ops, others, names)
        case ast.IfExp(test=test, body=body, orelse=other):
            return _value(body if _value(test, names) else other, names)
        case ast.Call(func=ast.Name(id=name), args=arguments):
            return FUNCTIONS[name](*(_value(one, names) for one in arguments))
        case ast.Subscript(value=value, slice=place):
            return _value(value, names)[_value(place, names)]
        case ast.List(elts=items) | ast.Tuple(elts=items):
            return [_value(item, names) for item in items]
    raise AssertionError(f"parse lets {type(node).__name__} through")


def _joined(all_of: bool, values: list[ast.expr], names: Mapping[str, Any]) -> Any:
    found: Any = all_of
    for value in values:
        found = _value(value, names)
        if bool(found) is not all_of:
            return found
    return found


def _compared(left: Any, ops: list[ast.cmpop], others: list[ast.expr], names: Mapping[str, Any]) -> bool:
    for op, other in zip(ops, others, strict=True):
        right = _value(other, names)
        if not _COMPARE[type(op)](left, right):
            return False
        left = right
    return True
