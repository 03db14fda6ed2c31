"""Write docs/cluster.md: what a million prompts on 64 GPUs take, by arithmetic.

    python -m benchmarks.plan

Nothing here is measured but the form of Stable Diffusion 1.4, which its configuration gives; the
seconds of a picture are an assumption that the page names, to be replaced by your own.
"""

# The lines of a page are as long as its table.
# ruff: noqa: E501

from pathlib import Path

PAGE = Path(__file__).resolve().parents[1] / "docs" / "cluster.md"

PROMPTS, GPUS, STEPS, SIDE_PX = 1_000_000, 64, 15, 512
LAYERS = [(64, 320)] * 5 + [(32, 640)] * 5 + [(16, 1280)] * 5 + [(8, 1280)]
"""Side of the grid and channels of each self-attention output of Stable Diffusion 1.4."""
TARGETS = 3 * (1 + 4)
"""Three properties of one target, and each again for four shuffles."""
SECONDS, OVERHEAD = 1.0, 1.1
"""Assumed: seconds of a picture on one GPU, and what probing adds."""
SHARD, GROUP, ROUND = 256, 16, 64
PNG_BYTES, PNG_SECONDS = 450_000, 0.04
"""Assumed: of one picture of 512 × 512."""
TRAIN, VALIDATION, TEST = 0.60, 0.15, 0.25


def main() -> None:
    """Write the page."""
    PAGE.write_text(page())


def page() -> str:
    """Do the arithmetic."""
    train = round(PROMPTS * TRAIN)
    validation, test = round(PROMPTS * VALIDATION), round(PROMPTS * TEST)
    shards = -(-train // SHARD)
    again = GROUP / SHARD
    hours = PROMPTS * SECONDS * OVERHEAD * (1 + TRAIN * again) / GPUS / 3600
    sums = sum(8 * STEPS * (channels + TARGETS) ** 2 for _, channels in LAYERS)
    live = 2 * STEPS * sum(side**2 * channels for side, channels in LAYERS)
    cells = sum(side**2 for side, _ in LAYERS) + 2 * 64**2
    read = 4 * STEPS * cells * TARGETS
    cut = 4 * STEPS * cells * 5
    latents = 4 * (2 * STEPS + 1) * 4 * 64**2 + 4 * 3 * SIDE_PX**2 * 2
    joins = shards - 1
    rate = GPUS / SECONDS / OVERHEAD
    rows = STEPS * (len(LAYERS) * (5 + 5 + 5 + 5) + 60)
    few = 2000
    return f"""# A million prompts on 64 GPUs

`underpaint run OUT --engine ray` spreads a study over a Ray cluster: `pip install 'underpaint[ray]'` on every machine,
start Ray there, set `RAY_ADDRESS`, and give the same command as ever. Without `RAY_ADDRESS` it uses this machine (`--workers 2`). Workers
generate, label, fold, read and score; this process hands out work, fits, and writes every file, so that a run can
be cut and gone on with by either engine.

This page is arithmetic, written by `python -m benchmarks.plan`; it has not been run at this size. Stable Diffusion 1.4, {STEPS} steps,
{SIDE_PX} pixels, {len(LAYERS)} layers, three properties, `--quick`. Assumed: {SECONDS:g} s for a picture on one GPU, overhead {OVERHEAD:g} (replace both by what
`underpaint bench` prints on yours), {PNG_BYTES / 1000:.0f} kB and {PNG_SECONDS * 1000:.0f} ms for a PNG.

| what | how | comes to |
|---|---|--:|
| pictures | {TRAIN:.0%} training, {VALIDATION:.0%} validation, {TEST:.0%} test | {train:,} + {validation:,} + {test:,} |
| time | pictures × seconds × overhead / {GPUS}; a group of {GROUP} is drawn again before each shard of {SHARD} ({again:.1%} of training) | {hours:.1f} h |
| sums of one shard | float64, Σ over layers of steps × (channels + {TARGETS} targets)² × 8 bytes | {sums / 1e9:.2f} GB |
| shards | training / {SHARD} | {shards:,} |
| moved between workers | a join moves one of its two sums: {joins:,} joins | {joins * sums / 1e12:.1f} TB |
| the same a second, in all | over the hours of training | {joins * sums / (hours * TRAIN * 3600) / 1e9:.2f} GB/s |
| sums in Ray's memory at once | a round of {ROUND} shards, and {2 * GPUS} that are out | {(ROUND + 2 * GPUS) * sums / 1e9:.0f} GB over all machines |
| activations alive on one GPU | float16, a picture (a batch of 16 holds 16) | {live / 1e9:.2f} GB |
| pictures to this process | PNG, encoded by the workers | {PROMPTS * PNG_BYTES / 1e9:.0f} GB, {rate * PNG_BYTES / 1e6:.0f} MB/s |
| encoding them here instead | {PNG_SECONDS * 1000:.0f} ms each, one core | {PROMPTS * PNG_SECONDS / 3600:.0f} h: why workers do it |
| readings of validation pictures, on disk | float32, all properties and shuffles, latents beside them | {(read + latents) / 1e6:.1f} MB each, {validation * (read + latents) / 1e12:.2f} TB |
| readings of masks, in memory | for the thresholds, of all validation pictures at once | {cut / 1e6:.1f} MB each, {validation * cut / 1e12:.2f} TB |
| rows of the table of scores | test and validation pictures × about {rows:,} | {(test + validation) * rows / 1e9:.1f} thousand million |

## What breaks first

1. **Thresholds.** They are chosen from all validation readings at once, in the memory of this process: {validation * cut / 1e12:.2f} TB at {VALIDATION:.0%} of a
   million. A `Split` made by hand in Python with {few:,} validation pictures needs {few * cut / 1e9:.0f} GB; the command line's split has fixed shares.
2. **The table of scores.** Read as one Parquet file, it is refused beyond 2³¹ values. {few:,} test pictures make {few * 2 * rows / 1e6:.0f} million rows; intervals
   need no more. The other {PROMPTS - 2 * few:,} prompts can all train.
3. **This process's disk.** {rate * PNG_BYTES / 1e6:.0f} MB/s of pictures in {rate:.0f} small files a second: a local disk does that, many network disks do not.
4. **The network,** at {joins * sums / (hours * TRAIN * 3600) / 1e9:.2f} GB/s in all, only where machines share less than 10 Gbit/s. A larger shard moves less: 1,024 pictures a quarter.
5. **A lost worker** costs its piece of work, at most {(SHARD + GROUP) * SECONDS * OVERHEAD / 60:.0f} minutes of one GPU; this process lost costs what came after the last
   round, at most {ROUND * SHARD * SECONDS * OVERHEAD / GPUS / 60:.0f} minutes of all, and the same command goes on.
"""


if __name__ == "__main__":
    main()
