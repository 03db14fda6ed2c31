import { expect, test } from "vitest";

import { outline } from "../src/outline";

const draw = (rows: string[]) => outline((row, col) => rows[row]![col] === "#", rows.length, rows[0]!.length);
const length = (path: string) =>
  [...path.matchAll(/M(\d+) (\d+)([HV])(\d+)/g)].reduce((sum, [, x, y, along, to]) => sum + Math.abs(Number(to) - Number(along === "H" ? x : y)), 0);

test("a box has four sides, each one line", () => {
  expect(draw(["....", ".##.", ".##."])).toBe("M1 1H3M1 3H3M1 1V3M3 1V3");
});

test("a hole has an outline too", () => {
  expect(length(draw(["###", "#.#", "###"]))).toBe(12 + 4);
});

test("a mask that fills the picture is outlined by its frame, an empty one not at all", () => {
  expect(length(draw(["##", "##"]))).toBe(8);
  expect(draw(["..", ".."])).toBe("");
});
