import { expect, test } from "vitest";

import type { Run } from "../src/data";
import { leadOver, noiseAt } from "../src/findings";
import { isOn, middleOf } from "../src/guess";
import { rangeOf } from "../src/tiles";

const properties = { depth: { timing: "", leads: { image: "4 steps later (4 to 5)" }, crossings: "", gaps: "" } };
const run = { words: { title: "", rivalry: "", findings: [], noise: ["noise alone", ""], properties } } as unknown as Run;

test("sentences are the run's own, and what was not timed is not called late", () => {
  expect(leadOver(run, "depth", "image")).toBe("4 steps later (4 to 5)");
  expect([leadOver(run, "depth", "estimate"), leadOver(run, "normals", "image")]).toEqual(["not measured", "not measured"]);
  expect([1, 2, 3].map((step) => noiseAt(run, step))).toEqual(["noise alone", "", ""]);
});

test("a mask's middle and a spot on it are found in shares of the picture", () => {
  const data = new Uint8ClampedArray(4 * 4 * 4);
  for (const at of [2, 3, 6, 7]) data[at * 4] = 255;
  const pixels = { data, width: 4, height: 4 };
  expect(middleOf(pixels)).toEqual({ x: 0.75, y: 0.25 });
  expect([isOn(pixels, { x: 0.8, y: 0.1 }), isOn(pixels, { x: 0.2, y: 0.9 })]).toEqual([true, false]);
  expect(middleOf({ data: new Uint8ClampedArray(64), width: 4, height: 4 })).toBeNull();
});

test("colours of a row span what it holds, but for a few odd pixels", () => {
  const data = new Uint8ClampedArray(1000 * 4);
  for (let at = 0; at < 1000; at++) data[at * 4] = at < 5 ? 0 : at > 995 ? 255 : 100 + (at % 50);
  expect(rangeOf(data)).toEqual([100, 149]);
  expect(rangeOf(new Uint8ClampedArray(400))).toEqual([0, 255]);
});
