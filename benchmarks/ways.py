"""What docs/benchmarks.md says of `benchmarks.decoding`: other ways to run a VAE's decoder."""

from collections.abc import Mapping
from typing import Any


def of_decoding(found: Mapping[str, Any]) -> list[str]:
    """Lay out what was measured, for docs/benchmarks.md."""
    if not (each := found.get("decoding")):
        return []
    rows = [
        f"| {size} | {row['way']} | {row['first_s']:.1f} | {row['picture_s']:.3f} | "
        f"{one['rows'][0]['picture_s'] / row['picture_s']:.2f}× | {row['difference']:.0e} | "
        f"{row['levels']:.1e} |\n"
        for size, one in each.items()
        for row in one["rows"]
    ]
    first = next(iter(each.values()))
    loads = " and ".join(str(one["load"]) for one in each.values())
    return [
        "## Other ways to decode",
        "`python -m benchmarks.decoding`: a VAE's decoder on a processor, in processor "
        f"seconds of one thread, {first['processor']}, torch {first['torch']}, load {loads}. The "
        "first call holds what is done once: compiling. Levels are the share of 8-bit values "
        "that differ from those of the decoder as it is.",
        "| decoder | way | first call, s | then, s a picture | sooner | largest difference | "
        "levels |\n|---|---|--:|--:|--:|--:|--:|\n" + "".join(rows),
    ]
