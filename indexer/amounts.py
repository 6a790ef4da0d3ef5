"""Amounts in words."""

__all__ = ["readable_size"]

UNITS = ("bytes", "kB", "MB", "GB", "TB")


def readable_size(count: float) -> str:
    """Bytes in the unit that reads best."""
    for unit in UNITS:
        if count < 1000 or unit == UNITS[-1]:
            break
        count /= 1000
    return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
