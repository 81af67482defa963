"""Judge an answer that should be JSON of a given schema, and say at which stage it failed.

Stages, in order: empty, extract, parse, list, envelope, payload, request; `timeout` may end
any of those that validate. The checks are pure: the same text and schemas give the same
verdict, but for the time limit.

The time limit holds on any thread and without a second process: patterns run in a matcher
that takes a limit, every keyword looks at the clock, and all the rest is linear in the text,
whose length is bounded by MAX_CHARS.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import Any, Literal

import referencing.exceptions
import regex
from jsonschema import Draft202012Validator
from jsonschema.protocols import Validator
from jsonschema.validators import validator_for
from jsonschema_specifications import REGISTRY
from referencing import Registry, Resource
from referencing.jsonschema import specification_with

from finetune_lab.text.json_extract import Mode, StrictJsonError, extract, parse_strict
from finetune_lab.text.schema_keywords import compile_pattern, deadline_seconds, format_checker, safe_class

Json = dict[str, Any]
Stage = Literal["empty", "extract", "parse", "list", "envelope", "payload", "request", "timeout", "valid"]

MAX_CHARS = 2_000_000
MAX_FAILURES = 20
"""Failures kept per answer; a long list of wrong items would repeat one mistake."""
MAX_MESSAGE_CHARS = 300

_SUM_PARTS = {"of": str, "property": str, "equals": str}


class SchemaProblem(ValueError):  # noqa: N818 - what a user reads; the name of the mistake, not of a crash
    """A schema that cannot be used: the mistake of who wrote it, not of the answer."""


@dataclass(frozen=True, kw_only=True)
class Failure:
    """One broken rule. `path` is a JSON pointer into the whole answer ("" is the answer itself)."""

    validator: str
    path: str
    message: str

    @property
    def general_path(self) -> str:
        """The path with every index as `*`: what failures are counted by."""
        return re.sub(r"/\d+(?=/|$)", "/*", self.path)


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What became of one answer. `stage` is where it failed, or `valid`.

    `mode` is None where nothing was extracted, `value` where nothing was parsed (and for JSON's
    null). `truncated` repeats what the caller said, so that a cut answer can be told from a
    wrong one.
    """

    valid: bool
    stage: Stage
    mode: Mode | None
    errors: tuple[Failure, ...]
    value: Any
    truncated: bool


@dataclass(frozen=True, kw_only=True)
class SchemaSet:
    """Compiled schemas: an envelope, and payloads by the envelope's `type`; none for a plain schema."""

    envelope: Validator
    payloads: Mapping[str, Validator]


def compile_schemas(*, envelope: Json, payloads: Mapping[str, Json]) -> SchemaSet:
    """An envelope with `type` and `payload`, and the payload's schema for every type.

    Raises SchemaProblem where a schema is invalid, or the envelope's `type` enumerates other
    names than `payloads` has.
    """
    compiled = {name: compile_schema(schema) for name, schema in payloads.items()}
    names = envelope.get("properties", {}).get("type", {}).get("enum", list(payloads))
    if set(names) != set(payloads):
        raise SchemaProblem(f"the envelope's types are {sorted(names)}, the payload schemas {sorted(payloads)}")
    return SchemaSet(envelope=compile_schema(envelope), payloads=compiled)


def compile_plain(*, schema: Json | bool) -> SchemaSet:
    """One schema for the whole answer; what breaks it fails at the stage `envelope`."""
    return SchemaSet(envelope=compile_schema(schema), payloads={})


def compile_schema(schema: Json | bool) -> Validator:
    """A validator by the draft that `$schema` names (2020-12 where it names none), formats checked.

    Raises SchemaProblem: no valid schema, an unknown draft, a pattern that does not compile, a
    reference that leads out of the document, or `patternProperties` beside
    `unevaluatedProperties` (their search has no time limit).
    """
    draft = _draft(schema)
    if not _conforms(draft, json.dumps(_shape(schema), sort_keys=True)):
        error = next(_meta_validator(draft).iter_errors(schema))
        raise SchemaProblem(f"invalid schema at {_pointer(error.path) or '/'}: {error.message}")
    written = json.dumps(schema)
    if '"unevaluatedProperties":' in written and '"patternProperties":' in written:
        raise SchemaProblem("patternProperties beside unevaluatedProperties cannot be checked in bounded time")
    # Without its $schema, or a reference to the root would switch to the stock keywords.
    bare = {key: value for key, value in schema.items() if key != "$schema"} if isinstance(schema, dict) else schema
    resource = specification_with(draft.META_SCHEMA.get("$schema", "")).create_resource(bare)
    _refuse_unusable(resource, REGISTRY.resolver_with_root(resource))
    return safe_class(draft)(bare, registry=Registry(), format_checker=format_checker(draft))


def check(text: str, schemas: SchemaSet, *, overlay: Json | None, truncated: bool, limit_seconds: float) -> Verdict:
    """The verdict on one answer. `overlay` is what this request asks of the whole answer, or None.

    `limit_seconds` bounds the validation; where it runs out the stage is `timeout`, which says
    nothing about the answer. Raises SchemaProblem for an overlay that is no usable schema, never
    for anything in `text`.
    """
    if not text.strip():
        return _verdict("empty", truncated, _failure("empty", "no text"))
    if len(text) > MAX_CHARS:
        return _verdict("extract", truncated, _failure("too_long", f"{len(text)} characters; at most {MAX_CHARS}"))
    found = extract(text)
    if found is None:
        return _verdict("extract", truncated, _failure("no_json", "nothing in the text looks like JSON"))
    try:
        value = parse_strict(found.text)
    except StrictJsonError as problem:
        return _verdict("parse", truncated, _failure(problem.kind, str(problem)), mode=found.mode)
    stage, errors = _validate(value, schemas, overlay, limit_seconds)
    return _verdict(stage, truncated, *errors, mode=found.mode, value=value)


def _validate(
    value: Any, schemas: SchemaSet, overlay: Json | None, limit_seconds: float
) -> tuple[Stage, tuple[Failure, ...]]:
    """The first stage that the value fails, or `valid`; and what it broke there."""
    if isinstance(value, list) and _wants_object(schemas):
        return "list", (_failure("type", f"a list of {len(value)} where an object is due"),)
    request = None if overlay is None else _compile_overlay(json.dumps(overlay, sort_keys=True))
    token = deadline_seconds.set(time.thread_time() + limit_seconds)
    try:
        for stage, errors in _stages(value, schemas, request):
            if errors:
                return stage, errors
    except TimeoutError:
        return "timeout", (_failure("timeout", f"not decided in {limit_seconds} s"),)
    finally:
        deadline_seconds.reset(token)
    return "valid", ()


def _stages(value: Any, schemas: SchemaSet, request: Validator | None) -> Iterator[tuple[Stage, tuple[Failure, ...]]]:
    yield "envelope", _failures(schemas.envelope, value, "")
    if schemas.payloads:
        kind = value.get("type") if isinstance(value, dict) else None
        if not isinstance(kind, str) or kind not in schemas.payloads:
            yield "envelope", (_failure("enum", f"no payload schema for the type {kind!r}", path="/type"),)
        else:
            yield "payload", _failures(schemas.payloads[kind], value.get("payload"), "/payload")
    if request is not None:
        yield "request", _failures(request, value, "")


def _failures(validator: Validator, value: Any, root: str) -> tuple[Failure, ...]:
    try:
        errors = list(islice(validator.iter_errors(value), MAX_FAILURES))
    except RecursionError:
        return (_failure("recursion", "the schema does not come to an end on this value", path=root),)
    return tuple(
        _failure(error.validator or "false", error.message, path=root + _pointer(error.absolute_path))
        for error in errors
    )


def _failure(validator: str, message: str, *, path: str = "") -> Failure:
    return Failure(validator=validator, path=_printable(path), message=_printable(message))


def _verdict(stage: Stage, truncated: bool, *errors: Failure, mode: Mode | None = None, value: Any = None) -> Verdict:
    valid = stage == "valid"
    return Verdict(valid=valid, stage=stage, mode=mode, errors=errors, value=value, truncated=truncated)


def _printable(text: str) -> str:
    """The text cut to MAX_MESSAGE_CHARS, with what no UTF-8 file takes written as an escape."""
    cut = text if len(text) <= MAX_MESSAGE_CHARS else text[:MAX_MESSAGE_CHARS] + "…"
    return cut.encode("utf-8", "backslashreplace").decode()


def _pointer(path: Any) -> str:
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)


def _wants_object(schemas: SchemaSet) -> bool:
    schema = schemas.envelope.schema
    return bool(schemas.payloads) or (isinstance(schema, dict) and schema.get("type") == "object")


def _draft(schema: Json | bool) -> Any:
    """The stock validator class of the schema's draft."""
    if not isinstance(schema, dict) or "$schema" not in schema:
        return Draft202012Validator
    known = validator_for(schema, default=None) if isinstance(schema["$schema"], str) else None
    if known is None:
        raise SchemaProblem(f"$schema: {schema['$schema']!r} is no known draft")
    return known


def _meta_validator(draft: Any) -> Validator:
    # No formats: patterns are judged by the matcher that will run them.
    return validator_for(draft.META_SCHEMA, default=draft)(draft.META_SCHEMA)


def _shape(schema: Any) -> Any:
    """The schema with the values of `const` and `pattern` emptied, their types kept.

    It conforms to the draft exactly if the schema does, and the overlays of a thousand requests
    have few shapes: judging each costs more than all the rest of a check.
    """
    if isinstance(schema, list):
        return [_shape(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    emptied = {name: type(schema[name])() for name in ("const", "pattern") if isinstance(schema.get(name), str | int)}
    return {name: emptied[name] if name in emptied else _shape(value) for name, value in schema.items()}


@lru_cache(maxsize=1024)
def _conforms(draft: Any, shape: str) -> bool:
    return bool(_meta_validator(draft).is_valid(json.loads(shape)))


@lru_cache(maxsize=8192)
def _compile_overlay(text: str) -> Validator:
    return compile_schema(json.loads(text))


def _refuse_unusable(resource: Resource[Any], resolver: Any) -> None:
    """Walk over all subschemas; raises SchemaProblem as `compile_schema` says."""
    schema = resource.contents
    if isinstance(schema, dict):
        _refuse_references(schema, resolver)
        _refuse_patterns(schema)
        _refuse_extensions(schema)
    for child in resource.subresources():
        _refuse_unusable(child, resolver.in_subresource(child))


def _refuse_references(schema: Json, resolver: Any) -> None:
    for keyword in ("$ref", "$dynamicRef"):
        reference = schema.get(keyword)
        if isinstance(reference, str):
            try:
                resolver.lookup(reference)
            except (referencing.exceptions.Unresolvable, ValueError):
                raise SchemaProblem(
                    f"{keyword}: {reference!r} is not in the schema; references to other documents are not followed"
                ) from None


def _refuse_patterns(schema: Json) -> None:
    own = [schema["pattern"]] if "pattern" in schema else []
    for pattern in [*schema.get("patternProperties", {}), *own]:
        try:
            compile_pattern(pattern)
        except (regex.error, RecursionError, OverflowError) as error:
            raise SchemaProblem(f"pattern: {pattern!r} does not compile: {error}") from None


def _refuse_extensions(schema: Json) -> None:
    names = schema.get("x-ascending", [])
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise SchemaProblem(f"x-ascending: expected a list of property names, got {names!r}")
    parts = schema.get("x-sum", {"of": "", "property": "", "equals": ""})
    if not isinstance(parts, dict) or {name: type(parts[name]) for name in parts} != _SUM_PARTS:
        raise SchemaProblem(f"x-sum: expected of, property and equals, got {parts!r}")
