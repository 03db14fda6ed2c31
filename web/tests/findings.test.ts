import { expect, test } from "vitest";

import type { Property, Run } from "../src/data";
import { compared, heading, leadOver, noiseAt, rivalry } from "../src/findings";
import { isOn, middleOf } from "../src/guess";
import { rangeOf } from "../src/tiles";

const property = (image: unknown, estimate: unknown) => ({ lead: { image, estimate } }) as unknown as Property;
const run = (properties: Record<string, Property>, noise?: (number | null)[]) => ({ summary: { properties, noise } }) as unknown as Run;
const lead = (steps: number, low: number, high: number) => ({ steps, low, high });

test("a lead is said as its interval allows", () => {
  expect(compared(lead(4, 4, 5))).toBe("4 steps later (4 to 5)");
  expect(compared(lead(-1, -2, -1))).toBe("1 step earlier (1 to 2)");
  expect(compared(lead(0, -1, 1))).toBe("about the same (−1 to 1 later)");
  expect(compared(null)).toBe("never");
});

test("a run from before there was one bar has no lead to speak of", () => {
  expect(leadOver({ lead: { steps: 7, low: 7, high: 9 } } as unknown as Property, "image")).toBeNull();
});

test("the heading claims only what the intervals carry", () => {
  const ahead = property(lead(4, 4, 5), lead(-1, -1, -1));
  const even = property(lead(0, -1, 1), lead(0, -1, 0));
  expect(heading(run({ saliency: ahead }))).toBe("The scene can be read before the picture shows it");
  expect(heading(run({ saliency: ahead, depth: even }))).toBe("Some of the scene can be read before the picture shows it");
  expect(heading(run({ depth: even }))).toBe("Is the scene there before the picture shows it?");
  expect(rivalry(run({ saliency: ahead, depth: even }))).toBe("For saliency the predicted picture shows it earlier than the probe. For the rest, neither is measurably first.");
});

test("noise is said as a ratio, and as noise alone where there is nothing else", () => {
  const some = run({}, [null, 2.44, 0.5]);
  expect([1, 2, 3, 9].map((step) => noiseAt(some, step))).toEqual(["nothing but noise", "2.4× more noise than signal", "2.0× more signal than noise", ""]);
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
