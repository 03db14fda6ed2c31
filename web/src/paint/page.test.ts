import { expect, test } from "vitest";

import { guided, mix, parse, pixels, shades, spell, unlearnt } from "./page";

const grammar = {
  template: "{colour} {object}, light from {light}",
  parts: { colour: { red: "a red", orange: "an orange" }, object: { mug: "mug" }, light: { left: "the left", above: "above" } },
};

test("a sentence is read back into the words it was made of", () => {
  const words = { colour: "orange", object: "mug", light: "left" };
  expect(spell(grammar, words)).toBe("an orange mug, light from the left");
  expect(parse(grammar, " An orange  mug, light from the left")).toEqual(words);
  expect(parse(grammar, "an orange mug, light from the left of it")).toBeNull();
});

test("guidance goes from the first half past the second", () => {
  expect([...guided(Float32Array.of(1, 2, 2, 2), 3)]).toEqual([4, 2]);
  expect([...mix([2, -1], Float32Array.of(1, 2), Float32Array.of(1, 1))]).toEqual([1, 3]);
});

test("channels become pixels", () => {
  expect([...pixels(Float32Array.of(1, 0, 0, 0.5, 0, 2))]).toEqual([255, 0, 0, 255, 0, 128, 255, 255]);
});

test("a mask's colour turns at its threshold, a map's spans its range", () => {
  const mask = shades({ layer: "", targets: 1, grid: [1, 2], thresholds: [0, 0.4] }, Float32Array.of(0.41, 0.39), 1);
  expect(mask[0]).toBeGreaterThan(127);
  expect(mask[1]).toBeLessThan(128);
  expect([...shades({ layer: "", targets: 1, grid: [1, 3], low: -1, high: 1 }, Float32Array.of(-1, 1, 5), 0)]).toEqual([0, 255, 255]);
});

test("words that the grammar has nowhere are told, each once", () => {
  expect(unlearnt(grammar, "A red dragon, light from dragon above")).toEqual(["dragon"]);
  expect(unlearnt(grammar, "an orange mug, light from the left")).toEqual([]);
});
