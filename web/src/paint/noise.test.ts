import { expect, test } from "vitest";

import { randn, twister } from "./noise";

test("numbers are those of the twister's first seed", () => {
  const draw = twister(5489n);
  expect([draw(), draw()]).toEqual([3499211612, 581869302]);
});

// What torch.randn gives: the first three numbers, the ninth and the last three.
test.each([
  [0n, 1024, [-1.12584, -1.15236, -0.250579, 0.322275, 0.537427, 1.082613, -1.710468]],
  [7000000001n, 1024, [-0.037551, -2.250762, 2.159932, 0.236568, -0.309045, 1.830064, -0.205697]],
  [5n, 20, [1.84233, 0.518887, -1.711921, 2.614577, 0.031657, -1.172414, -1.50694]],
])("seed %s draws what torch draws", (seed, count, expected) => {
  const found = randn(count, seed);
  const seen = [...found.slice(0, 3), found[8]!, ...found.slice(-3)];
  seen.forEach((value, at) => expect(value).toBeCloseTo(expected[at]!, 5));
});

test("too few numbers are refused", () => {
  expect(() => randn(15, 0n)).toThrow("15 numbers are too few");
});
