import { expect, test } from "vitest";

import { fixed, folderOf, meanScore, type Prompt } from "../src/data";

test("numbers have two decimals, a true minus, and a dash where there is none", () => {
  expect([0.125, -0.5, -0.001, null, undefined].map(fixed)).toEqual(["0.13", "−0.50", "0.00", "–", "–"]);
});

test("a picture's mean leaves out steps without a score, and is NaN without any", () => {
  const prompt = { scores: { depth: { probe: [0.5, null, 1] }, saliency: { probe: [null] } } } as unknown as Prompt;
  expect(meanScore(prompt, "depth")).toBe(0.75);
  expect(meanScore(prompt, "saliency")).toBeNaN();
  expect(meanScore(prompt, "shading")).toBeNaN();
});

test("folders sort as their numbers do", () => {
  expect([7, 12345].map(folderOf)).toEqual(["00007", "12345"]);
});
