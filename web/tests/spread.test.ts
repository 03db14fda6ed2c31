import { expect, test } from "vitest";

import { spread } from "../src/spread";

test("labels with room stay where they are", () => {
  expect(spread([50, 10, 30], 16)).toEqual([50, 10, 30]);
});

test("labels that touch move apart about their middle, in their order", () => {
  expect(spread([101, 100], 16)).toEqual([108.5, 92.5]);
});

test("no two of many labels are nearer than the gap", () => {
  const moved = spread([0, 1, 2, 3, 40, 41, 200, 55, 56, 57], 16).sort((a, b) => a - b);
  moved.slice(1).forEach((place, at) => expect(place - moved[at]!).toBeGreaterThanOrEqual(16 - 1e-9));
});

test("labels stay between the ends of the axis", () => {
  expect(spread([100, 100, 100], 16, [0, 100])).toEqual([68, 84, 100]);
  expect(spread([2, 3, 60], 16, [0, 100])).toEqual([0, 16, 60]);
  expect(spread([99, 82, 100], 16, [0, 100])).toEqual([84, 68, 100]);
});
