// What an edit aims at: the mask, and the looks of the object that the picture has without it.
// As `targets.carry_map` and `aims.where_of` do in Python, with readings where those have labels.

import type { Own, Page, Read } from "./page";

/** Maps one after the other, which of them count, and where to edit. */
export type Aim = { targets: Float32Array; asked: Float32Array; where: Float32Array };

type Size = { rows: number; cols: number };
type Box = { top: number; bottom: number; left: number; right: number };

/** Aim at a mask; an object that is there takes along whatever the page moves beside masks. */
export function aimAt(page: Page, mask: Uint8Array, own: Own | null): Aim {
  const size = { rows: page.picture[0], cols: page.picture[1] };
  const pixels = mask.length;
  const count = page.edit.moved.reduce((sum, each) => sum + each.targets, 0);
  const targets = new Float32Array(count * pixels);
  targets.set(mask);
  if (!own) return { targets, asked: onlyFirst(count), where: new Float32Array(pixels).fill(1) };
  const near = grown(own.object.map((value, place) => value | mask[place]!), size, page.edit.margin_px);
  const where = Float32Array.from(near);
  if (!own.object.includes(1)) return { targets, asked: onlyFirst(count), where };
  const from = sources(own.object, mask, size, page.edit.fringe_px);
  let at = pixels;
  for (const { name, targets: maps } of page.edit.moved.slice(1)) {
    for (let map = 0; map < maps; map++, at += pixels) {
      targets.set(enlarged(page.reads[name]!, own.reads[name]!, map, size, from), at);
    }
  }
  return { targets, asked: new Float32Array(count).fill(1), where };
}

function onlyFirst(count: number): Float32Array {
  return Float32Array.from({ length: count }, (_, at) => (at === 0 ? 1 : 0));
}

/** Say which pixel each one takes its looks from: of the object where it shall be, else of what is around it. */
export function sources(before: Uint8Array, after: Uint8Array, size: Size, fringe: number): Int32Array {
  const [old, now] = [boxOf(before, size), boxOf(after, size)];
  const inside = nearest(before, size);
  const outside = nearest(grown(before, size, fringe).map((value) => 1 - value), size);
  return outside.map((around, place) => {
    if (!after[place]) return around;
    const row = stretched(Math.floor(place / size.cols), [now.top, now.bottom], [old.top, old.bottom]);
    const col = stretched(place % size.cols, [now.left, now.right], [old.left, old.right]);
    return inside[row * size.cols + col]!;
  });
}

/** Grow a mask by so many pixels, in a square. */
export function grown(mask: Uint8Array, { rows, cols }: Size, reach: number): Uint8Array {
  const along = (values: Uint8Array, length: number, stride: number) => values.map((_, place) => {
    const own = Math.floor(place / stride) % length;
    for (let step = -Math.min(reach, own); step <= Math.min(reach, length - 1 - own); step++) {
      if (values[place + step * stride]) return 1;
    }
    return 0;
  });
  return along(along(mask, cols, 1), rows, cols);
}

/** Find the nearest known pixel of each: itself, or one of those at the edge; itself if none is known. */
function nearest(known: Uint8Array, { rows, cols }: Size): Int32Array {
  const isEdge = (place: number) => {
    const [row, col] = [Math.floor(place / cols), place % cols];
    return (row > 0 && !known[place - cols]) || (row < rows - 1 && !known[place + cols])
      || (col > 0 && !known[place - 1]) || (col < cols - 1 && !known[place + 1]);
  };
  const edge: { row: number; col: number; place: number }[] = [];
  known.forEach((value, place) => {
    if (value && isEdge(place)) edge.push({ row: Math.floor(place / cols), col: place % cols, place });
  });
  return Int32Array.from(known, (value, place) => {
    if (value) return place;
    const [row, col] = [Math.floor(place / cols), place % cols];
    let [found, least] = [place, Infinity];
    for (const each of edge) {
      const distance = (each.row - row) ** 2 + (each.col - col) ** 2;
      if (distance < least) [found, least] = [each.place, distance];
    }
    return found;
  });
}

function boxOf(mask: Uint8Array, { rows, cols }: Size): Box {
  const box = { top: rows, bottom: -1, left: cols, right: -1 };
  mask.forEach((value, place) => {
    if (!value) return;
    const [row, col] = [Math.floor(place / cols), place % cols];
    box.top = Math.min(box.top, row);
    box.bottom = Math.max(box.bottom, row);
    box.left = Math.min(box.left, col);
    box.right = Math.max(box.right, col);
  });
  return box;
}

/** Say which place of one span a place has, that the span is laid over. */
function stretched(place: number, to: [number, number], of: [number, number]): number {
  const share = (place + 0.5 - to[0]) / (to[1] - to[0] + 1);
  return Math.min(of[1], Math.max(of[0], Math.floor(of[0] + share * (of[1] - of[0] + 1))));
}

/** Lay one map of a reading over the picture, each pixel with the cell that owns its source. */
function enlarged({ grid: [high, wide] }: Read, values: Float32Array, map: number, { rows, cols }: Size, from: Int32Array): Float32Array {
  return Float32Array.from(from, (place) => {
    const row = Math.floor((Math.floor(place / cols) * high) / rows);
    const col = Math.floor(((place % cols) * wide) / cols);
    return values[(map * high + row) * wide + col]!;
  });
}
