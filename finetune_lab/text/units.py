"""Bytes and times for people."""


def bytes_text(num_bytes: float) -> str:
    """Four or five characters: `512 B`, `1.2 MB`, `34 GB`; powers of 1,000."""
    for unit in ("B", "kB", "MB", "GB"):
        if num_bytes < 999.5:
            return f"{num_bytes:.1f} {unit}" if unit != "B" and num_bytes < 9.95 else f"{num_bytes:.0f} {unit}"
        num_bytes /= 1000
    return f"{num_bytes:.1f} TB"


def duration_text(seconds: float) -> str:
    """The largest unit alone: `45 s`, `12 min`, `5 h`, `3 d`."""
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= length:
            return f"{seconds // length:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"
