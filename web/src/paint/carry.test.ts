import { expect, test } from "vitest";

import { aimAt, grown, sources } from "./carry";
import type { Page } from "./page";

const size = { rows: 4, cols: 8 };
/** A bar of full height. */
const box = (left: number, right: number) =>
  Uint8Array.from({ length: 32 }, (_, place) => (place % 8 >= left && place % 8 <= right ? 1 : 0));

const page = {
  picture: [4, 8],
  edit: { steps: 2, strength: 1, strength_alone: 4, push: 0.5, margin_px: 1, fringe_px: 0, moved: [{ name: "saliency", targets: 1 }, { name: "albedo", targets: 2 }] },
  reads: { albedo: { layer: "up", grid: [2, 4], targets: 2 } },
} as unknown as Page;

test("an object's pixels come from the same place of it, those it left from what is around", () => {
  const from = sources(box(1, 2), box(5, 6), size, 0);
  expect([from[8 + 5], from[8 + 6], from[16 + 5]]).toEqual([8 + 1, 8 + 2, 16 + 1]);
  expect(from[8 + 1]).toBe(8); // where it was: its neighbour beyond
  expect(from[0]).toBe(0); // untouched
});

test("a wider target stretches the object, a narrower one skips some of it", () => {
  const wide = sources(box(0, 1), box(4, 7), size, 0);
  expect([4, 5, 6, 7].map((col) => wide[8 + col])).toEqual([8, 8, 9, 9]);
  const narrow = sources(box(0, 3), box(5, 6), size, 0);
  expect([5, 6].map((col) => narrow[8 + col])).toEqual([9, 11]);
});

test("an object without its fringe is what its old place forgets", () => {
  expect(sources(box(3, 4), box(6, 7), size, 1)[8 + 3]).toBe(8 + 1);
});

test("a mask grows in a square and stays in the picture", () => {
  const mask = new Uint8Array(32);
  mask[0] = 1;
  const places = [...grown(mask, size, 1)].flatMap((value, place) => (value ? [place] : []));
  expect(places).toEqual([0, 1, 8, 9]);
});

test("an aim holds the mask, each map carried, and where to edit", () => {
  const albedo = Float32Array.from({ length: 16 }, (_, at) => at);
  const aim = aimAt(page, box(6, 7), { object: box(0, 1), reads: { albedo } });
  expect(aim.targets.length).toBe(3 * 32);
  expect([...aim.targets.slice(0, 32)]).toEqual([...box(6, 7)]);
  expect(aim.targets[32 + 8 + 6]).toBe(0); // the object's first cell, of the first map
  expect(aim.targets[64 + 16 + 7]).toBe(8 + 4); // of the second, one row of cells below
  expect(aim.targets[32 + 8 + 0]).toBe(1); // what was right of it
  expect([...aim.asked]).toEqual([1, 1, 1]);
  expect([...aim.where].slice(0, 8)).toEqual([1, 1, 1, 0, 0, 1, 1, 1]);
});

test("a mask that takes nothing along is asked for everywhere", () => {
  const aim = aimAt(page, box(6, 7), null);
  expect([...aim.asked]).toEqual([1, 0, 0]);
  expect(aim.where.every((value) => value === 1)).toBe(true);
});

test("without an object to take from, a mask is asked for alone, near to it", () => {
  const aim = aimAt(page, box(6, 7), { object: new Uint8Array(32), reads: {} });
  expect([...aim.asked]).toEqual([1, 0, 0]);
  expect([...aim.where].slice(0, 8)).toEqual([0, 0, 0, 0, 0, 1, 1, 1]);
});
