"""Plotly figures as what a widget sends: numbers as bytes, all else as JSON that any browser reads."""

from __future__ import annotations

import math
from base64 import b64decode, b64encode
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from siwork_widgets.kit.plain import seen, sendable

SENT = ("f8", "f4", "i4", "i2", "i1", "u4", "u2", "u1")  # the typed arrays of a browser
_FEW = 16  # numbers; shorter lists stay lists, for a range or a colour scale may not be a typed array
_LONGEST = 20_000  # characters of a text in a figure


def pack(figure: go.Figure | dict[str, Any]) -> dict[str, Any]:
    """A figure as `{"data": [...], "layout": {...}}` whose arrays are `{"dtype", "shape", "bytes"}`.

    Numbers that are not finite become null in lists and stay as they are in arrays.

    >>> pack({"data": [{"y": np.array([1.0, 2.0])}]})["data"][0]["y"]["shape"]
    [2]
    """
    spec = figure.to_plotly_json() if isinstance(figure, go.Figure) else figure
    data = [_packed(trace, numbers=True) for trace in spec.get("data", [])]
    return {"data": data, "layout": _packed(spec.get("layout", {}), numbers=False)}


def unpack(value: Any) -> Any:
    """What `pack` has packed, with numpy arrays again.

    >>> unpack(pack({"data": [{"y": np.array([1.0, 2.0])}]}))["data"][0]["y"].tolist()
    [1.0, 2.0]
    """
    if isinstance(value, dict) and "bytes" in value:
        return np.frombuffer(value["bytes"], f"<{value['dtype']}").reshape(value["shape"])
    if isinstance(value, dict):
        return {key: unpack(inner) for key, inner in value.items()}
    return [unpack(inner) for inner in value] if isinstance(value, list) else value


def jsonable(value: Any) -> Any:
    """What `pack` has packed, as JSON: the bytes in base 64."""
    if isinstance(value, dict) and "bytes" in value:
        return value | {"bytes": b64encode(value["bytes"]).decode()}
    if isinstance(value, dict):
        return {key: jsonable(inner) for key, inner in value.items()}
    return [jsonable(inner) for inner in value] if isinstance(value, list) else value


def _packed(value: Any, *, numbers: bool = False, exact: bool = False) -> Any:
    """`numbers`: long lists of numbers become arrays; `exact`: texts are not cut and nothing in them is written out."""
    if isinstance(value, dict):
        if "bdata" in value and "dtype" in value:
            return _array(_from_base64(value))
        return {
            str(key): _packed(inner, numbers=numbers and key != "customdata", exact=exact or key == "customdata")
            for key, inner in value.items()
        }
    if isinstance(value, (np.ndarray, pd.Series, pd.Index, pd.api.extensions.ExtensionArray)):
        return _array(np.asarray(value), exact=exact)
    if isinstance(value, (list, tuple)):
        if numbers and len(value) >= _FEW and all(_is_number(one) for one in value):
            return _array(np.array(value, dtype="f8"))
        return [_packed(inner, numbers=numbers, exact=exact) for inner in value]
    return _scalar(value, exact)


def _is_number(value: Any) -> bool:
    """Whether a float carries it without loss."""
    if isinstance(value, (bool, np.bool_)):
        return False
    whole = isinstance(value, (int, np.integer)) and abs(int(value)) <= 2**53
    return value is None or whole or isinstance(value, (float, np.floating))


def _array(array: np.ndarray, *, exact: bool = False) -> Any:
    """An array as bytes, in the first type of a browser that holds it; a list where none does."""
    kept = _sendable(array)
    if kept is None:
        return _packed(array.tolist() if array.dtype.kind != "M" else array.astype(str).tolist(), exact=exact)
    little = np.ascontiguousarray(kept, dtype=kept.dtype.newbyteorder("<"))
    return {"dtype": kept.dtype.str[1:], "shape": list(array.shape), "bytes": memoryview(little.tobytes())}


def _sendable(array: np.ndarray) -> np.ndarray | None:
    if array.ndim == 0 or array.dtype.kind not in "fiu":
        return None
    if array.dtype.str[1:] in SENT:
        return array
    if array.dtype.kind == "f":
        return array.astype("f4" if array.dtype.itemsize < 4 else "f8")
    within = array.size == 0 or (array.min() >= -(2**31) and array.max() < 2**31)
    return array.astype("i4" if within else "f8")


def _from_base64(value: dict[str, Any]) -> np.ndarray:
    flat = np.frombuffer(b64decode(value["bdata"]), dtype=f"<{value['dtype']}")
    shape = value.get("shape")
    return flat if shape is None else flat.reshape([int(n) for n in str(shape).split(",")])


def _scalar(value: Any, exact: bool) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or value is pd.NA or value is pd.NaT:
        return None
    if isinstance(value, (bool, int)):
        return value
    return sendable(str(value)) if exact else seen(value, _LONGEST)
