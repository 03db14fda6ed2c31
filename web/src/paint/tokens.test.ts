import { expect, test } from "vitest";

import tiny from "../../../src/underpaint/models/tiny/tokenizer/tokenizer.json";
import { tokenizer } from "./tokens";

const encode = tokenizer({
  vocabulary: tiny.model.vocab,
  merges: tiny.model.merges as [string, string][],
  start: 622,
  end: 623,
  pad: 623,
  unknown: 623,
  length: 16,
});

// What the model's own tokenizer gives.
test("words, marks, digits and letters of other scripts become tiny's tokens", () => {
  const ids = [622, 541, 612, 611, 267, 72, 339, 6, 338, 272, 273, 66, 127, 114, 585, 623];
  expect([...encode("An Orange  mug, it's 12 cöne")]).toEqual(ids);
});

test("what is short is filled and what is long is cut, both between the two marks", () => {
  expect([...encode("")]).toEqual([622, ...Array<number>(15).fill(623)]);
  const long = encode("red ".repeat(40));
  expect(long.length).toBe(16);
  expect([long[0], long[15], new Set(long.slice(1, 15)).size]).toEqual([622, 623, 1]);
});
