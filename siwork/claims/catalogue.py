"""The claims by name; they stand in `claims.toml` beside this file."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from siwork.claims.claim import Arm, Base, Claim, Part
from siwork.loop import Sizes

_READ: dict[str, dict[str, Any]] = tomllib.loads(Path(__file__).with_name("claims.toml").read_text("utf-8"))


def _claim(name: str, told: Mapping[str, Any]) -> Claim:
    arms = {arm: _arm(given) for arm, given in told.get("arms", {}).items()}
    parts = tuple(Part(**({"arm": ""} | part)) for part in told["parts"])
    sizes = Sizes(**told.get("sizes", {}))
    rest = {key: value for key, value in told.items() if key not in ("arms", "parts", "sizes")}
    return Claim(name, arms=arms, parts=parts, sizes=sizes, **rest)


def _arm(given: str | Mapping[str, Any]) -> Arm:
    if isinstance(given, str):
        return Arm(given)
    rest = {key: value for key, value in given.items() if key != "base"}
    return Arm(base=Base(**given["base"]) if "base" in given else None, **rest)


CLAIMS: dict[str, Claim] = {name: _claim(name, told) for name, told in _READ.items()}
