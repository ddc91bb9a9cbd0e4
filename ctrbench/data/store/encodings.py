"""The encoding of every field: by its kind, or as ``data.encodings`` declares it."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from ctrbench.data.patterns import expand_names, is_pattern, resolve_patterns
from ctrbench.data.schema import CATEGORICAL, MULTI, NUMERIC, VECTOR, Field
from ctrbench.data.settings import HASH_BUCKETS, NUMERIC_ENCODINGS, POOLINGS, DataSettings
from ctrbench.data.sources.base import Source
from ctrbench.data.store.hashing import HASH
from ctrbench.data.store.target_encoder import TARGET, count_of, rate_of
from ctrbench.errors import UserError
from ctrbench.settings import nearest

ALLOWED = {
    CATEGORICAL: (TARGET, HASH, "vocabulary"),
    NUMERIC: NUMERIC_ENCODINGS,
    MULTI: POOLINGS,
    VECTOR: (VECTOR,),
}
ALL = "*"


def without_patterns(source: Source) -> Any:
    """Return the settings of a source with the patterns of names in ``data.encodings`` and
    ``data.exclude`` replaced by the fields that they match, ``*:target`` apart.

    A pattern of an encoding stands for the fields of the kinds that have this encoding.
    """
    settings, kinds = source.settings, _kinds(source)
    settings = replace(settings, encodings=_named_encodings(settings.encodings, kinds))
    statistics = _statistics(replace(settings, exclude=[]), kinds)
    names = dict.fromkeys((*kinds, *source.left_out, *statistics))
    return replace(settings, exclude=expand_names("data.exclude", settings.exclude, names))


def _named_encodings(items: list[str], kinds: dict[str, str]) -> list[str]:
    """Replace patterns in items of ``data.encodings`` by the names that they match."""
    split = [(item, *item.partition(":")[::2]) for item in items]
    patterns = [own for own in split if own[0] != f"{ALL}:{TARGET}" and is_pattern(own[1], kinds)]
    plain = [item for item in items if item not in [pattern[0] for pattern in patterns]]
    groups: dict[
        tuple[str, bool], dict[str, str]
    ] = {}  # target statistics stand beside an encoding
    for item, name, encoding in patterns:
        kind = next((kind for kind, allowed in ALLOWED.items() if encoding in allowed), None)
        if kind is None:
            hint = nearest(encoding, [name for allowed in ALLOWED.values() for name in allowed])
            raise UserError(f"data.encodings={item}: no encoding {encoding}; {hint}")
        declared = groups.setdefault((kind, encoding == TARGET), {})
        if declared.setdefault(name, encoding) != encoding:
            raise UserError(f"data.encodings={item}: {name} stands in it twice; name it once")
    exact = {(item.partition(":")[0], item.endswith(f":{TARGET}")) for item in plain}
    for (kind, is_target), declared in groups.items():
        names = [name for name, own in kinds.items() if own == kind]
        resolved = resolve_patterns("data.encodings", declared, names)
        plain += [
            f"{name}:{way}" for name, way in resolved.items() if (name, is_target) not in exact
        ]
    return plain


def field_encodings(source: Source) -> dict[str, str]:
    """Return the encoding of every field that is not left out, target statistics last."""
    settings = source.settings
    kinds = _kinds(source)
    for name in settings.exclude:
        parts_of = name.rpartition(".")[0]  # hour, weekday and weekend of a date
        if not {name, parts_of} & {*kinds, *source.left_out}:
            raise UserError(f"data.exclude={name}: no such field; {nearest(name, kinds)}")
    default = {NUMERIC: settings.numeric, MULTI: POOLINGS[0], VECTOR: VECTOR}
    default[CATEGORICAL] = settings.encoding
    chosen = {name: default[kind] for name, kind in kinds.items()}
    for item in settings.encodings:
        name, _, encoding = item.partition(":")
        if (name, encoding) != (ALL, TARGET):
            _check_item(item, kinds, settings.encodings)
        if encoding != TARGET:
            chosen[name] = encoding
    statistics = _statistics(settings, kinds)
    for name in statistics.keys() & kinds.keys():
        raise UserError(f"data.encodings: the data has a column {name} already; exclude it")
    chosen |= dict.fromkeys(statistics, "value")
    used = {name: way for name, way in chosen.items() if name not in settings.exclude}
    if settings.hash_buckets != HASH_BUCKETS and not hash_buckets(source, used):
        raise UserError(
            f"data.hash_buckets={settings.hash_buckets}: no field is hashed; declare "
            "data.encoding=hash, or data.encodings=[FIELD:hash]"
        )
    if not used:
        raise UserError(f"data.exclude={settings.exclude}: no field is left; keep one")
    return used


def hash_buckets(source: Source, encodings: dict[str, str]) -> dict[str, int]:
    """Return the number of buckets of each field whose values are hashed."""
    settings, kinds = source.settings, _kinds(source)
    hashed = [
        name
        for name, encoding in encodings.items()
        if encoding == HASH or (kinds.get(name) == MULTI and settings.encoding == HASH)
    ]
    return dict.fromkeys(hashed, settings.hash_buckets)


def _kinds(source: Source) -> dict[str, str]:
    """Return the kind of every field; sequences are the past of one."""
    sequences = source.settings.sequence_columns
    return {c.name: c.kind for c in source.columns if c.name not in sequences}


def _check_item(item: str, kinds: dict[str, str], items: list[str]) -> None:
    """Refuse an item of ``data.encodings`` that does not fit its field."""
    name, _, encoding = item.partition(":")
    if name not in kinds:
        raise UserError(f"data.encodings={item}: no field {name}; {nearest(name, kinds)}")
    others = [other.partition(":")[2] for other in items if other.partition(":")[0] == name]
    if len(others) > 1 and (len(others) > 2 or others.count(TARGET) != 1):
        raise UserError(f"data.encodings={item}: {name} stands in it twice; name it once")
    allowed = ALLOWED[kinds[name]]
    if encoding not in allowed:
        raise UserError(
            f"data.encodings={item}: not known for a {kinds[name]} field; "
            f"{nearest(encoding, allowed)}"
        )


def _statistics(settings: DataSettings, kinds: dict[str, str]) -> dict[str, str]:
    """Return the names of the target statistics that are declared, and the field of each."""
    excluded, names = {*settings.exclude}, list[str]()
    for item in settings.encodings:
        name, _, encoding = item.partition(":")
        if encoding == TARGET and name in excluded:
            raise UserError(f"data.encodings={item}: {name} is excluded; leave one of them out")
        if (name, encoding) == (ALL, TARGET):
            names += [n for n, kind in kinds.items() if kind == CATEGORICAL and n not in excluded]
        elif encoding == TARGET:
            names.append(name)
    statistics = {of(n): n for n in dict.fromkeys(names) for of in (rate_of, count_of)}
    return {name: of for name, of in statistics.items() if name not in excluded}


def target_statistics(source: Source, fields: Iterable[Field]) -> dict[str, str]:
    """Return the names of the target statistics of fields that are of use, and each one's field."""
    kinds = _kinds(source)
    names = {field.name for field in fields}
    return {name: of for name, of in _statistics(source.settings, kinds).items() if of in names}
