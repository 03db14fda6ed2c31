import { expect, test } from "vitest";

import { format, parse, stepOf } from "../src/address";

test("an address that is written is read back", () => {
  const address = { view: "recognition", options: { prompt: "3", source: "a b&c=ü" } };
  expect(parse(format(address))).toEqual(address);
});

test("no view, or only a slash, is the story", () => {
  for (const hash of ["", "#", "#/"]) expect(parse(hash)).toEqual({ view: "story", options: {} });
  expect(format({ view: "story", options: {} })).toBe("#/");
});

test("a step in an address is a whole one that the run has", () => {
  expect(["2", "1.5", "1.4", "99", "-4", "0", "", "x", undefined].map((written) => stepOf(written, 15))).toEqual([2, 2, 1, 15, 1, 3, 3, 3, 3]);
});
