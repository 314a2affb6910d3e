"""Variants that every scenario may name: those of `variants.toml`, the package's and the user's own."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from testbed.errors import ScenarioError, UsageError
from testbed.plan.decoding import decode_toml, found_text, read_bytes, read_toml, suggestion
from testbed.plan.expectation import WHATEVER
from testbed.plan.scenario import Variant
from testbed.plan.scenario_folders import SCENARIOS, VARIANTS, directories, is_readable, origin_text
from testbed.plan.settings import KeptVariant

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from testbed.plan.scenario import Scenario


def kept_variants(only: Sequence[str] = (), *, used: Collection[str] | None = None) -> dict[str, KeptVariant]:
    """Return the variants that every scenario may name, all of them unless some are named, in the order of their files.

    `used`: those that matter, by default those returned; a wrong file of the user's own is passed over if it has none of them.
    Raises ScenarioError when a file is wrong, and UsageError that lists the variants when a name is unknown.
    """
    variants: dict[str, KeptVariant] = {}
    for file in variant_files():
        variants |= read_used(file, (only or None) if used is None else used)
    for name in only:
        if name not in variants:
            raise UsageError(
                f"no variant {name!r}{suggestion(name, list(variants))}; there are {', '.join(variants) or 'none'} (scenarios/{VARIANTS})"
            )
    return {name: variant for name, variant in variants.items() if not only or name in only}


def variants_of(scenario: Scenario, used: Collection[str] = ()) -> dict[str, Variant]:
    """Return every variant by name that a scenario can be replayed over: kept ones, of which it expects nothing, and its own.

    Raises ScenarioError when a file is wrong that has a variant of `used`.
    """
    variants = {name: Variant(name, variant.settings, WHATEVER) for name, variant in kept_variants(used=used).items()}
    return variants | {variant.name: variant for variant in scenario.variants}


def variant_origins() -> dict[str, str]:
    """Return where the variants that are not the package's come from, by name."""
    packaged, *own = (home / VARIANTS for home in directories())
    before = read_variants(packaged)
    return {name: origin_text(file, replaces=name in before) for file in own if file.is_file() for name in read_used(file, ())}


def passed_over() -> tuple[str, ...]:
    """Return what of the user's own folder cannot be used for variants, each with its first mistake."""
    here = Path(SCENARIOS)
    if here.is_dir() and not is_readable(here):
        return (f"{here}: cannot be read; change its permissions",)
    mistakes = []
    for file in (home / VARIANTS for home in directories()[1:]):
        try:
            if file.is_file():
                read_variants(file)
        except ScenarioError as error:
            mistakes.append(error.first)
    return tuple(mistakes)


def variant_files(*beside: Path) -> tuple[Path, ...]:
    """Return the files of variants: the package's, `scenarios/variants.toml` of the current directory, and those beside `beside`.

    A later file adds to those before it, and replaces their variants of the same name.
    """
    homes: dict[Path, Path] = {}
    for home in (*directories(), *(path.parent for path in beside)):
        homes.setdefault(home.resolve(), home)
    return tuple(home / VARIANTS for home in homes.values() if (home / VARIANTS).is_file())


def read_used(file: Path, used: Collection[str] | None) -> dict[str, KeptVariant]:
    """Read a file of variants; nothing if it is the user's own, wrong, and has no variant of `used` (None: any counts).

    Raises ScenarioError with every mistake in it otherwise. A file of another program has no variants.
    """
    try:
        return read_variants(file)
    except ScenarioError:
        if file.parent == directories()[0]:
            raise
        try:
            tables = read_toml(file)
        except ScenarioError:
            if used is None or used:  # it may have any of them
                raise
            return {}
        if _is_meant(tables) and (used is None or not tables.keys().isdisjoint(used)):
            raise
        return {}


def _is_meant(tables: dict[str, Any]) -> bool:
    """Return whether any table could be a variant: it is empty, has a key of one, or the name of one of the package's."""
    packaged = read_variants(directories()[0] / VARIANTS)
    return any(
        isinstance(table, dict) and (not table or name in packaged or not table.keys().isdisjoint(KeptVariant.model_fields))
        for name, table in tables.items()
    )


def read_variants(file: Path) -> dict[str, KeptVariant]:
    """Read a file of variants; raises ScenarioError with every mistake in it."""
    return dict(_variants_in(read_bytes(file), file))


@functools.lru_cache
def _variants_in(content: bytes, file: Path) -> Mapping[str, KeptVariant]:
    """Return the variants in the content of a file; each scenario asks for those of the same few files."""
    try:
        text = json.dumps(decode_toml(content, file), default=str)
        return TypeAdapter(dict[str, KeptVariant]).validate_json(text, strict=True)
    except ValidationError as error:
        details = error.errors()
        mistakes = tuple(f"{'.'.join(map(str, detail['loc']))}: found {found_text(detail['input'])}; {detail['msg']}" for detail in details)
        raise ScenarioError(str(file), mistakes) from error
