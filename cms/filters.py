"""The filter grammar: conditions on fields, joined by and, or and not, typed by the schema.

A filter arrives as a nested mapping, as ``filter[author.name][contains]=…`` and ``filter[or][0][…]=…`` spell it, and becomes a predicate on
entries. Of a field with several values (a list, or a path through a list of references) a comparison holds when it holds for any of them;
``ne``, ``nin`` and ``none`` hold when it holds for none of them.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from cms.dates import is_date_only, parse_date, parse_day
from cms.entry import META_KINDS, Entry
from cms.errors import InvalidQuery
from cms.fieldpath import COUNT, HOPS_LIMIT, REFERENCED_BY, REFERENCES, FieldPath, Lookup, resolve_path
from cms.model import ContentModel
from cms.schema import Collection
from cms.settings import find_nearest, nearest

Tree = Mapping[str, Any]
Predicate = Callable[[Entry, Lookup], bool]

COMPARISONS = ("eq", "ne", "lt", "lte", "gt", "gte", "in", "nin", "between")
TEXT_OPERATORS = ("contains", "icontains", "starts", "ends")
LIST_OPERATORS = ("any", "all", "none")
OPERATORS = (*COMPARISONS, *TEXT_OPERATORS, *LIST_OPERATORS, "exists")
JUNCTIONS = ("and", "or", "not")
SEVERAL = frozenset({"in", "nin", "between", "any", "all", "none"})
CONDITIONS_LIMIT = 50
DEPTH_LIMIT = 8
VALUES_LIMIT = 200
INTERVALS = frozenset({"date", "date-time"})
TRUE = frozenset({"true", "1", "yes"})
FALSE = frozenset({"false", "0", "no"})


@dataclass(frozen=True, slots=True)
class Condition:
    """One comparison; ``operand`` is typed."""

    path: FieldPath
    operator: str
    operand: Any


@dataclass(frozen=True, slots=True)
class Junction:
    """``and``, ``or`` or ``not`` over other nodes (``not``: none of them all together)."""

    kind: str
    nodes: tuple["Node", ...]


Node = Condition | Junction


class FilterReader:
    """Turns a nested mapping into a :data:`Node` for one collection."""

    def __init__(self, model: ContentModel, collection: Collection) -> None:
        self._model = model
        self._collection = collection
        self._count = 0

    def read(self, tree: Tree, name: str = "filter") -> Node | None:
        """The filter that *tree* spells, or ``None`` for an empty one.

        Raises:
            InvalidQuery: an unknown field or operator, a value of the wrong type, too many conditions.
        """
        nodes = self._level(tree, name, 0)
        return None if not nodes else nodes[0] if len(nodes) == 1 else Junction("and", tuple(nodes))

    def _level(self, tree: Tree, name: str, depth: int) -> list[Node]:
        if depth > DEPTH_LIMIT:
            raise InvalidQuery(f"{name} is nested more than {DEPTH_LIMIT} levels deep", parameter=name)
        nodes: list[Node] = []
        for key, value in tree.items():
            bare = key.lstrip("_$")
            if bare in JUNCTIONS and (bare != key or self._collection.find_field(bare) is None):
                nodes.append(self._junction(bare, value, f"{name}[{key}]", depth))
            else:
                nodes += self._field(key, value, f"{name}[{key}]", depth)
        return nodes

    def _junction(self, kind: str, value: Any, name: str, depth: int) -> Node:
        if not isinstance(value, Mapping):
            raise InvalidQuery(f"{name} needs conditions: {name}[0][field]=value", parameter=name)
        if all(key.isdigit() for key in value):
            groups = [
                self._level(value[key], f"{name}[{key}]", depth + 1) for key in value if isinstance(value[key], Mapping)
            ]
            if len(groups) != len(value):
                raise InvalidQuery(f"{name} needs conditions: {name}[0][field]=value", parameter=name)
        else:
            level = self._level(value, name, depth + 1)
            groups = [level] if kind == "not" else [[node] for node in level]
        nodes = tuple(group[0] if len(group) == 1 else Junction("and", tuple(group)) for group in groups if group)
        return Junction(kind, nodes)

    def _field(self, text: str, value: Any, name: str, depth: int) -> list[Node]:
        if not isinstance(value, Mapping):
            return [self._condition(text, "eq" if len(value) == 1 else "in", value, name)]
        nodes: list[Node] = []
        for key, inner in value.items():
            bare = key.lstrip("_$")
            operator = bare if bare in OPERATORS else None
            if operator is not None and (bare != key or not self._has_field(f"{text}.{key}")):
                values = _texts(inner, f"{name}[{key}]")
                several = operator == "eq" and len(values) > 1
                nodes.append(self._condition(text, "in" if several else operator, values, f"{name}[{key}]"))
            elif key.isdigit() or not key:
                nodes.append(self._condition(text, "in", _texts(value, name), name))
                break
            elif depth < DEPTH_LIMIT and (isinstance(inner, Mapping) or self._has_field(f"{text}.{key}")):
                nodes += self._field(f"{text}.{key}", inner, f"{name}[{key}]", depth + 1)
            else:
                resolve_path(self._model, self._collection, text, parameter=name)
                raise InvalidQuery(
                    f"the operator {key!r} is not known{nearest(key, list(OPERATORS))}; there are {', '.join(OPERATORS)}",
                    parameter=f"{name}[{key}]",
                    nearest=find_nearest(key, OPERATORS),
                )
        return nodes

    def _has_field(self, text: str) -> bool:
        """Whether *text* names a field, asked before a key is taken for an operator."""
        return self._leads_on(self._collection, text.split("."), 0)

    def _leads_on(self, collection: Collection | None, parts: list[str], hops: int) -> bool:
        if collection is None or hops > HOPS_LIMIT:
            return False
        item = collection.fields.get(parts[0])
        if item is None and parts[0] == REFERENCED_BY:
            source = self._model.collections.get(parts[1].partition(":")[0]) if len(parts) > 1 else None
            if len(parts) < 3:
                return len(parts) == 1 or source is not None or parts[1] == COUNT
            return parts[2:] == [COUNT] or self._leads_on(source, parts[2:], hops + 1)
        if len(parts) == 1:
            return item is not None or parts[0] in META_KINDS or parts[0] == REFERENCES
        if item is None or not item.references:
            return collection.find_field(".".join(parts)) is not None
        targets = map(self._model.collections.get, item.references)
        return any(self._leads_on(target, parts[1:], hops + 1) for target in targets)

    def _condition(self, text: str, operator: str, values: Sequence[str], name: str) -> Condition:
        self._count += 1
        if self._count > CONDITIONS_LIMIT:
            raise InvalidQuery(f"a filter may have {CONDITIONS_LIMIT} conditions at most", parameter="filter")
        path = resolve_path(self._model, self._collection, text, parameter=name)
        _require_operator(path, operator, name)
        return Condition(path, operator, _operand(path, operator, values, name, self._model.zone))


def _texts(value: Any, name: str) -> list[str]:
    if isinstance(value, Mapping):
        found = [part for inner in value.values() for part in _texts(inner, name)]
        if not all(key.isdigit() or key == "" for key in value):
            raise InvalidQuery(f"{name} needs a value, not further names", parameter=name)
        return found
    return list(value)


def _require_operator(path: FieldPath, operator: str, name: str) -> None:
    if path.kind == "object" and operator != "exists":
        raise InvalidQuery(
            f"{path.text!r} is an object: filter on a field inside it, as {path.text}.name, or use [exists]",
            parameter=name,
        )
    is_list = path.field is not None and path.field.many
    if operator in TEXT_OPERATORS and path.kind not in ("string", "any") and not (operator == "contains" and is_list):
        raise InvalidQuery(f"{operator!r} compares texts, and {path.text!r} is of type {path.kind}", parameter=name)
    if path.kind == "boolean" and operator in ("lt", "lte", "gt", "gte", "between"):
        raise InvalidQuery(f"{operator!r} needs an order, and {path.text!r} is true or false", parameter=name)


def _operand(path: FieldPath, operator: str, values: Sequence[str], name: str, zone: ZoneInfo) -> Any:
    if operator == "exists":
        return _typed("boolean", _single(values, name), name, zone)
    if operator not in SEVERAL:
        text = _single(values, name)
        if operator in TEXT_OPERATORS and path.kind in ("string", "any"):
            return text
        return _typed(path.kind, text, name, zone)
    parts = [part for value in values for part in (value.split(",") if len(values) == 1 else [value])]
    if operator == "between" and len(parts) != 2:
        raise InvalidQuery(f"{name} needs two values: {name}=from,to", parameter=name)
    if len(parts) > VALUES_LIMIT:
        raise InvalidQuery(f"{name} may have {VALUES_LIMIT} values at most", parameter=name)
    return [_typed(path.kind, part, name, zone) for part in parts]


def _single(values: Sequence[str], name: str) -> str:
    if len(values) != 1:
        raise InvalidQuery(f"{name} takes one value", parameter=name)
    return values[0]


def _typed(kind: str, text: str, name: str, zone: ZoneInfo) -> Any:
    """*text* as a value of *kind*; a date or a moment becomes the (first, last-excluded) days or seconds of what it names."""
    try:
        if kind == "integer":
            return int(text) if re.fullmatch(r"[+-]?[0-9]{1,18}", text) else _reject("a whole number")
        if kind == "number":
            return (
                float(text)
                if re.fullmatch(r"[+-]?[0-9]{1,30}(\.[0-9]{0,30})?([eE][+-]?[0-9]{1,2})?", text)
                else _reject("a number")
            )
        if kind == "boolean":
            word = text.casefold()
            return True if word in TRUE else False if word in FALSE else _reject("true or false")
        if kind == "date":
            first, last = _days(text) or _one_day(parse_date(text, zone).astimezone(zone).date())
            return first.isoformat(), last.isoformat()
        if kind == "date-time":
            return _interval(text, zone)
    except (ValueError, OverflowError) as error:
        wanted = "a date such as 2019-06-27 or 2019-06-27T10:00" if kind.startswith("date") else str(error)
        raise InvalidQuery(f"{name}: {text[:80]!r} is not {wanted}", parameter=name) from error
    return text


def _reject(wanted: str) -> Any:
    raise ValueError(wanted)


def _days(text: str) -> tuple[date, date] | None:
    """The first day that *text* names and the first one after it: a year, a month or a day; ``None`` for a time."""
    if re.fullmatch(r"\d{4}", text):
        return date(int(text), 1, 1), date(int(text) + 1, 1, 1)
    month = re.fullmatch(r"(\d{4})-(\d{1,2})", text)
    if month:
        first = date(int(month[1]), int(month[2]), 1)
        return first, (first + timedelta(days=31)).replace(day=1)
    return _one_day(parse_day(text)) if is_date_only(text) else None


def _one_day(day: date) -> tuple[date, date]:
    return day, day + timedelta(days=1)


def _interval(text: str, zone: ZoneInfo) -> tuple[float, float]:
    """The seconds that *text* names: a whole day (or year, or month) for a date, one second for a time."""
    days = _days(text)
    if days is not None:
        start, end = (datetime.combine(day, time(), zone).timestamp() for day in days)
        return start, end
    moment = parse_date(text.replace(" ", "+") if re.search(r"T.* \d\d:?\d\d\Z", text) else text, zone).timestamp()
    return moment, moment + (1 if moment == int(moment) else 1e-6)


def compile_filter(node: Node | None) -> Predicate | None:
    """A predicate for *node*."""
    if node is None:
        return None
    if isinstance(node, Condition):
        return _compile_condition(node)
    parts = [compiled for compiled in map(compile_filter, node.nodes) if compiled is not None]
    if node.kind == "or":
        return lambda entry, lookup: any(part(entry, lookup) for part in parts)
    if node.kind == "not":
        return lambda entry, lookup: not all(part(entry, lookup) for part in parts)
    return lambda entry, lookup: all(part(entry, lookup) for part in parts)


def _compile_condition(condition: Condition) -> Predicate:
    read, operator, operand = condition.path.read, condition.operator, condition.operand
    if operator == "exists":
        return lambda entry, lookup: (len(read(entry, lookup)) > 0) is operand
    if operator == "all":
        tests = [_test(condition, "eq", value) for value in operand]
        return lambda entry, lookup: (
            (values := read(entry, lookup)) is not None and all(any(map(test, values)) for test in tests)
        )
    positive = {"ne": "eq", "nin": "in", "none": "in", "any": "in"}.get(operator, operator)
    test = _test(condition, positive, operand)
    if operator in ("ne", "nin", "none"):
        return lambda entry, lookup: not any(map(test, read(entry, lookup)))
    return lambda entry, lookup: any(map(test, read(entry, lookup)))


def _test(condition: Condition, operator: str, operand: Any) -> Callable[[Any], bool]:
    """A test of one value."""
    kind = condition.path.kind
    if operator == "in":
        if kind in INTERVALS:
            return lambda value: any(first <= value < last for first, last in operand)
        wanted = frozenset(operand)
        return (lambda value: plain_text(value) in wanted) if kind == "any" else (lambda value: value in wanted)
    if kind in INTERVALS:
        return _test_moment(operator, operand)
    if operator in TEXT_OPERATORS:
        return _test_text(operator, operand, is_list=condition.path.field is not None and condition.path.field.many)
    convert: Callable[[Any], Any] = plain_text if kind == "any" else (lambda value: value)
    if operator == "between":
        low, high = operand
        return lambda value: bool(low <= convert(value) <= high)
    tests: dict[str, Callable[[Any], bool]] = {
        "eq": lambda value: bool(convert(value) == operand),
        "lt": lambda value: bool(convert(value) < operand),
        "lte": lambda value: bool(convert(value) <= operand),
        "gt": lambda value: bool(convert(value) > operand),
        "gte": lambda value: bool(convert(value) >= operand),
    }
    return tests[operator]


def plain_text(value: Any) -> str:
    """A scalar of a field without a declared type, as a query spells it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _test_moment(operator: str, operand: Any) -> Callable[[Any], bool]:
    """Compare days or seconds with an interval: a year, a month or a bare date names all of it."""
    first, last = (operand[0][0], operand[1][1]) if operator == "between" else operand
    tests: dict[str, Callable[[Any], bool]] = {
        "eq": lambda value: bool(first <= value < last),
        "contains": lambda value: bool(first <= value < last),
        "between": lambda value: bool(first <= value < last),
        "lt": lambda value: bool(value < first),
        "lte": lambda value: bool(value < last),
        "gt": lambda value: bool(value >= last),
        "gte": lambda value: bool(value >= first),
    }
    return tests[operator]


def _test_text(operator: str, operand: Any, *, is_list: bool) -> Callable[[Any], bool]:
    folded = operand.casefold() if isinstance(operand, str) else operand
    if operator == "contains":
        if is_list:
            return lambda value: value == operand or plain_text(value) == operand
        return lambda value: operand in plain_text(value)
    if operator == "icontains":
        return lambda value: folded in plain_text(value).casefold()
    if operator == "starts":
        return lambda value: plain_text(value).startswith(operand)
    return lambda value: plain_text(value).endswith(operand)
