import { interpolateViridis } from "d3-scale-chromatic";
import { expect, test } from "vitest";

import { contrast, inkOn, luminance } from "../src/ink";
import { numbersOf } from "../src/tiles";

const READABLE = 4.5; // of small text (WCAG 2.2, 1.4.3)

test("luminance runs from black to white", () => {
  expect([luminance([0, 0, 0]), luminance([255, 255, 255])]).toEqual([0, 1]);
  expect(contrast(0, 1)).toBeCloseTo(21);
});

test("what is written on any score's colour can be read", () => {
  const inks = new Set<string>();
  for (let at = 0; at <= 1000; at++) {
    const ground = numbersOf(interpolateViridis(at / 1000));
    const ink = inkOn(ground);
    inks.add(ink);
    expect(contrast(luminance(ground), ink === "#000" ? 0 : 1)).toBeGreaterThanOrEqual(READABLE);
  }
  expect([...inks].sort()).toEqual(["#000", "#fff"]);
});
