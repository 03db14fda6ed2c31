import { expect, test } from "vitest";

import { centreOf, decoded, empty, encoded, fromReading, isEdge, isEmpty, oval, overlap, scaled, shifted, stroke } from "./mask";

const area = (bytes: Uint8Array) => bytes.reduce((a, b) => a + b, 0);
const disc = oval(empty(64, 64), { x: 32, y: 32 }, 10, 10);

test("a stroke covers what its brush meets, and erasing takes it back", () => {
  const line = stroke(empty(64, 64), { x: 10, y: 32 }, { x: 50, y: 32 }, 3, 1);
  expect(area(line.bytes)).toBeGreaterThan(230);
  expect(area(line.bytes)).toBeLessThan(300);
  expect(isEmpty(stroke(line, { x: 0, y: 32 }, { x: 64, y: 32 }, 4, 0))).toBe(true);
});

test("a shift moves the centre, and what leaves the picture is gone", () => {
  expect(centreOf(shifted(disc, 7, -4))).toEqual({ x: 39, y: 28 });
  expect(isEmpty(shifted(disc, 60, 0))).toBe(true);
});

test("scaling keeps the centre and squares the area", () => {
  const grown = scaled(disc, 1.5);
  expect(Math.abs(centreOf(grown).x - 32)).toBeLessThan(0.5); // whole pixels
  expect(area(grown.bytes) / area(disc.bytes)).toBeCloseTo(2.25, 1);
});

test("an edge touches what is not masked", () => {
  expect([isEdge(disc, 32, 32), isEdge(disc, 32, 22), isEdge(disc, 0, 0)]).toEqual([false, true, false]);
});

test("a reading becomes a mask where it is above its threshold", () => {
  const mask = fromReading(8, 8, [2, 2], Float32Array.of(1, 0, 1, 0), 0.5);
  expect([...mask.bytes.slice(0, 8)]).toEqual([1, 1, 1, 1, 0, 0, 0, 0]);
});

test("a mask that an address holds is read back, and what is no mask of this size is not", () => {
  expect(decoded(encoded(disc), 64, 64)).toEqual(disc);
  expect(decoded(encoded(empty(64, 64)), 64, 64)).toEqual(empty(64, 64));
  expect(encoded(disc).length).toBeLessThan(200);
  for (const wrong of [undefined, "", "5", "a.b.<img>", encoded(empty(32, 32))]) expect(decoded(wrong, 64, 64)).toBeNull();
});

test("overlap is 1 with itself, 0 apart, and in between for a neighbour", () => {
  expect(overlap(disc, disc)).toBe(1);
  expect(overlap(disc, shifted(disc, 30, 0))).toBe(0);
  expect(overlap(disc, shifted(disc, 10, 0))).toBeGreaterThan(0.3);
  expect(overlap(empty(8, 8), empty(8, 8))).toBe(0);
});
