"""Variants that every scenario may name: those of `variants.toml`, the package's and the user's own."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pydantic import TypeAdapter, ValidationError

from testbed.errors import ScenarioError, UsageError
from testbed.plan.decoding import found_text, read_toml
from testbed.plan.expectation import WHATEVER
from testbed.plan.scenario import Variant
from testbed.plan.scenario_folders import VARIANTS, directories, origin_text
from testbed.plan.settings import KeptVariant

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from testbed.plan.scenario import Scenario


def kept_variants(only: Sequence[str] = ()) -> dict[str, KeptVariant]:
    """Return the variants that every scenario may name, all of them unless some are named, in the order of their files.

    Raises ScenarioError when a file is wrong, and UsageError that lists the variants when a name is unknown.
    """
    variants: dict[str, KeptVariant] = {}
    for file in variant_files():
        variants |= read_variants(file)
    for name in only:
        if name not in variants:
            raise UsageError(f"no variant {name!r}; there are {', '.join(variants) or 'none'} (scenarios/{VARIANTS})")
    return {name: variant for name, variant in variants.items() if not only or name in only}


def variants_of(scenario: Scenario) -> dict[str, Variant]:
    """Return every variant by name that a scenario can be replayed over: kept ones, of which it expects nothing, and its own."""
    variants = {name: Variant(name, variant.settings, WHATEVER) for name, variant in kept_variants().items()}
    return variants | {variant.name: variant for variant in scenario.variants}


def variant_origins() -> dict[str, str]:
    """Return where the variants that are not the package's come from, by name."""
    packaged, *own = (home / VARIANTS for home in directories())
    before = read_variants(packaged)
    return {name: origin_text(file, replaces=name in before) for file in own if file.is_file() for name in read_variants(file)}


def variant_files(*beside: Path) -> tuple[Path, ...]:
    """Return the files of variants: the package's, `scenarios/variants.toml` of the current directory, and those beside `beside`.

    A later file adds to those before it, and replaces their variants of the same name.
    """
    homes: dict[Path, Path] = {}
    for home in (*directories(), *(path.parent for path in beside)):
        homes.setdefault(home.resolve(), home)
    return tuple(home / VARIANTS for home in homes.values() if (home / VARIANTS).is_file())


def read_variants(file: Path) -> dict[str, KeptVariant]:
    """Read a file of variants; raises ScenarioError with every mistake in it."""
    try:
        text = json.dumps(read_toml(file), default=str)
        return TypeAdapter(dict[str, KeptVariant]).validate_json(text, strict=True)
    except ValidationError as error:
        details = error.errors()
        mistakes = tuple(f"{'.'.join(map(str, detail['loc']))}: found {found_text(detail['input'])}; {detail['msg']}" for detail in details)
        raise ScenarioError(str(file), mistakes) from error
