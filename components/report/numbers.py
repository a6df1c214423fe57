"""How numbers stand on the page. Means over the sealed test are rounded to three digits."""

from __future__ import annotations

from math import floor, inf, isfinite, log10

UNKNOWN = "not measured"


def signed(value: float | None, digits: int = 3) -> str:
    """`+0.012`."""
    return f"{value:+.{digits}f}" if value is not None and isfinite(value) else UNKNOWN


def fixed(value: float | None, digits: int = 3) -> str:
    """`0.012`."""
    return f"{value:.{digits}f}" if value is not None and isfinite(value) else UNKNOWN


def count(value: float) -> str:
    """`1,512`."""
    return f"{value:,.0f}"


def small(value: float) -> str:
    """Two leading digits, without an exponent."""
    return f"{value:.{max(1, 1 - floor(log10(value)))}f}" if 0 < value < inf else f"{value}"


def percent(value: float | None, digits: int = 0) -> str:
    """`62%`."""
    return f"{100 * value:.{digits}f}%" if value is not None and isfinite(value) else UNKNOWN


def about(number: int) -> int:
    """Two leading digits, rounded up: an estimate should look like one."""
    unit: int = 10 ** max(0, floor(log10(number)) - 1)
    return -(-number // unit) * unit


def size(value: float) -> str:
    """`3.2 GB`, in powers of 1,000."""
    for unit in ("bytes", "kB", "MB", "GB", "TB"):
        if value < 1000 or unit == "TB":
            break
        value /= 1000
    return f"{value:,.0f} bytes" if unit == "bytes" else f"{value:,.1f} {unit}"


def span(hours: float) -> str:
    """`48 seconds`, `12 minutes`, `3.5 hours`."""
    if hours * 60 < 2:
        return f"{hours * 3600:,.0f} seconds"
    return f"{hours * 60:,.0f} minutes" if hours < 2 else f"{hours:,.1f} hours"
