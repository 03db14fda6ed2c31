import { expect, test } from "vitest";

import { ratioOf, signed } from "../src/compare";

test("a level of noise is said as a ratio", () => {
  expect([0, Math.log(2), -Math.log(4)].map(ratioOf)).toEqual(["as much noise as signal", "2.0× more noise than signal", "4.0× more signal than noise"]);
});

test("differences show their sign, and what is unknown a dash", () => {
  expect([0.5, -0.25, 0, null].map((each) => signed(each))).toEqual(["+0.50", "−0.25", "0.00", "–"]);
});
