import { expect, test } from "vitest";

import { format, parse } from "../src/address";

test("an address that is written is read back", () => {
  const address = { view: "recognition", options: { prompt: "3", source: "a b&c=ü" } };
  expect(parse(format(address))).toEqual(address);
});

test("no view, or only a slash, is the story", () => {
  for (const hash of ["", "#", "#/"]) expect(parse(hash)).toEqual({ view: "story", options: {} });
  expect(format({ view: "story", options: {} })).toBe("#/");
});
