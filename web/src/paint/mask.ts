// A mask as bytes, 0 or 1 a pixel. Every change makes a new one, so that an old one can come back.

export type Mask = { rows: number; cols: number; bytes: Uint8Array };
export type Spot = { x: number; y: number };

export const empty = (rows: number, cols: number): Mask => ({ rows, cols, bytes: new Uint8Array(rows * cols) });
export const isEmpty = (mask: Mask): boolean => !mask.bytes.includes(1);

/** Paint or erase what a round brush meets on its way between two spots. */
export function stroke(mask: Mask, from: Spot, to: Spot, radius: number, value: 0 | 1): Mask {
  const length = { x: to.x - from.x, y: to.y - from.y };
  const squared = length.x ** 2 + length.y ** 2;
  return mapped(mask, (x, y, now) => {
    const along = squared ? Math.min(1, Math.max(0, ((x - from.x) * length.x + (y - from.y) * length.y) / squared)) : 0;
    const isMet = (x - from.x - along * length.x) ** 2 + (y - from.y - along * length.y) ** 2 <= radius ** 2;
    return isMet ? value : now;
  });
}

/** Add an oval. */
export function oval(mask: Mask, centre: Spot, across: number, down: number): Mask {
  return mapped(mask, (x, y, now) => (((x - centre.x) / across) ** 2 + ((y - centre.y) / down) ** 2 <= 1 ? 1 : now));
}

/** Move by whole pixels; what leaves the picture is gone. */
export function shifted(mask: Mask, right: number, down: number): Mask {
  return mapped(mask, (x, y) => at(mask, Math.floor(x) - right, Math.floor(y) - down));
}

/** Scale about the mask's own centre. */
export function scaled(mask: Mask, factor: number): Mask {
  const { x: centreX, y: centreY } = centreOf(mask);
  return mapped(mask, (x, y) => at(mask, Math.floor(centreX + (x - centreX) / factor), Math.floor(centreY + (y - centreY) / factor)));
}

/** Find the middle of what is masked; of the picture, if nothing is. */
export function centreOf(mask: Mask): Spot {
  let [count, x, y] = [0, 0, 0];
  mask.bytes.forEach((value, place) => {
    if (!value) return;
    count++;
    x += (place % mask.cols) + 0.5;
    y += Math.floor(place / mask.cols) + 0.5;
  });
  return count ? { x: x / count, y: y / count } : { x: mask.cols / 2, y: mask.rows / 2 };
}

/** Make a mask of a coarse reading: between its cells it changes evenly. */
export function fromReading(rows: number, cols: number, grid: [number, number], values: Float32Array, threshold: number): Mask {
  const [high, wide] = grid;
  const value = (row: number, col: number) =>
    values[Math.min(high - 1, Math.max(0, row)) * wide + Math.min(wide - 1, Math.max(0, col))]!;
  return mapped(empty(rows, cols), (x, y) => {
    const [row, col] = [(y / rows) * high - 0.5, (x / cols) * wide - 0.5];
    const [top, left] = [Math.floor(row), Math.floor(col)];
    const [below, beside] = [row - top, col - left];
    const upper = value(top, left) * (1 - beside) + value(top, left + 1) * beside;
    const lower = value(top + 1, left) * (1 - beside) + value(top + 1, left + 1) * beside;
    return upper * (1 - below) + lower * below > threshold ? 1 : 0;
  });
}

/** Twice what two masks share by what both hold (Dice), from 0 to 1. */
export function overlap(one: Mask, other: Mask): number {
  let [both, all] = [0, 0];
  one.bytes.forEach((value, place) => {
    both += value & other.bytes[place]!;
    all += value + other.bytes[place]!;
  });
  return all ? (2 * both) / all : 0;
}

/** Write a mask for an address: lengths of its runs, row by row, beginning with what is not masked. */
export function encoded(mask: Mask): string {
  const runs: number[] = [];
  let [value, length] = [0, 0];
  for (const next of mask.bytes) {
    if (next === value) length++;
    else {
      runs.push(length);
      [value, length] = [next, 1];
    }
  }
  return [...runs, length].map((run) => run.toString(36)).join(".");
}

/** Read a mask back from an address; null where it is none of this size. */
export function decoded(written: string | undefined, rows: number, cols: number): Mask | null {
  if (!written || !/^[0-9a-z]+(\.[0-9a-z]+)*$/.test(written)) return null;
  const runs = written.split(".").map((run) => parseInt(run, 36));
  if (runs.reduce((a, b) => a + b, 0) !== rows * cols) return null;
  const bytes = new Uint8Array(rows * cols);
  let at = 0;
  runs.forEach((run, place) => {
    bytes.fill(place % 2, at, at + run);
    at += run;
  });
  return { rows, cols, bytes };
}

/** Say whether a masked pixel touches one that is not, or the border. */
export function isEdge(mask: Mask, x: number, y: number): boolean {
  if (!at(mask, x, y)) return false;
  return [[1, 0], [-1, 0], [0, 1], [0, -1]].some(([right, down]) => !at(mask, x + right!, y + down!));
}

function at(mask: Mask, x: number, y: number): 0 | 1 {
  const isInside = x >= 0 && y >= 0 && x < mask.cols && y < mask.rows;
  return isInside && mask.bytes[y * mask.cols + x] ? 1 : 0;
}

function mapped(mask: Mask, value: (x: number, y: number, now: 0 | 1) => 0 | 1): Mask {
  const bytes = mask.bytes.map((now, place) => value((place % mask.cols) + 0.5, Math.floor(place / mask.cols) + 0.5, now as 0 | 1));
  return { ...mask, bytes };
}
