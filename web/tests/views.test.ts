import { expect, test } from "vitest";

import { roomy, ticksOf } from "../src/charts";
import type { EditSummary, Frames, Maps } from "../src/data";
import { titleOf, trialOf } from "../src/edits";
import { probeTile } from "../src/explorer";
import { matching } from "../src/thumbs";
import { coloursOf, numbersOf } from "../src/tiles";
import { stepsShown } from "../src/unfolding";

test("a filter finds every word in any order and case", () => {
  const prompts = [{ text: "A red cone on grass" }, { text: "a blue cone" }, { text: "<img onerror> 🎈 שלום" }];
  expect(matching(prompts, "CONE  red")).toEqual([prompts[0]]);
  expect(matching(prompts, "onerror שלום")).toEqual([prompts[2]]);
  expect(matching(prompts, " ")).toEqual(prompts);
  expect(matching(prompts, "(")).toEqual([]);
});

test("a layer's tile lies below those of the layers before it", () => {
  const maps = { grids: [["a", 32, 32], ["b", 16, 16]], maps: { depth: { probe: "depth-probe.webp" } } } as unknown as Maps;
  expect(probeTile(maps, "at/", "depth", "b", 2)).toEqual({ sheet: "at/depth-probe.webp", left: 32, top: 32, width: 16, height: 16 });
  expect(() => probeTile(maps, "at/", "depth", "c", 0)).toThrow("No maps of layer c.");
});

test("colour maps are those of the paper", () => {
  expect(["saliency", "depth", "shading", "own"].map((name) => coloursOf(name))).toEqual(["mask", "turbo", "viridis", "viridis"]);
  expect(numbersOf("#0a10ff")).toEqual([10, 16, 255]);
  expect(numbersOf("rgb(1, 2, 3)")).toEqual([1, 2, 3]);
});

test("ticks have room, and begin and end where steps do", () => {
  expect(ticksOf(15, 860)).toHaveLength(15);
  const few = ticksOf(50, 360);
  expect([few[0], few.at(-1)]).toEqual([1, 50]);
  expect((few.length - 1) * 20).toBeLessThan(360);
  expect(ticksOf(1, 360)).toEqual([1]);
});

test("strengths are written where they have room, both ends among them", () => {
  const strengths = [0, 0.5, 1, 2, 3, 4, 6];
  expect(roomy(strengths, 600)).toEqual(strengths);
  expect(roomy(strengths, 200)).toEqual([0, 1, 2, 3, 4, 6]);
  expect(roomy([0, 5.9, 6], 200)).toEqual([0, 6]);
});

test("an edit's title says what was moved, along what, and when", () => {
  const edit = { target: "move 0.2,0", prompts: "prompt 3", control: "random", first_step: 0, last_step: 7, layers: "up.*" } as Frames;
  expect(titleOf(edit)).toBe("move 0.2,0, prompt 3 — control: as far, in a random direction, steps 1–8, up.*");
  expect(titleOf({ ...edit, seen_by: "labelers" })).toBe(titleOf(edit));
  expect(titleOf({ ...edit, seen_by: "probes" })).toBe(`${titleOf(edit)}, seen by probes`);
});

test("an edit's control is the trial that differs in nothing else", () => {
  const asked = { target: "random moves", strength: 1, layers: "up.*", seed: 0 };
  const edit = { ...asked, control: "none", first_step: 0, last_step: 4, strengths: [1], folder: "0" } as unknown as Frames;
  const trial = (own: object) => ({ ...asked, control: "random", steps: [1, 5], images: 8, seen_by: "labelers", ...own }) as unknown as EditSummary;
  const others = [trial({ seed: 1 }), trial({ strength: 2 }), trial({ steps: [1, 8] }), trial({ control: "none" })];
  expect(trialOf(edit, others, "random")).toBeUndefined();
  expect(trialOf(edit, [...others, trial({})], "random")).toEqual(trial({}));
  expect(trialOf({ ...edit, seen_by: "probes" }, [...others, trial({})], "random")).toBeUndefined();
});

test("steps shown begin with the first ones and end with the last, whatever the run", () => {
  expect(stepsShown(15)).toEqual([1, 2, 3, 5, 9, 15]);
  expect(stepsShown(3)).toEqual([1, 2, 3]);
  expect(stepsShown(1)).toEqual([1]);
  for (let steps = 7; steps < 200; steps++) {
    const shown = stepsShown(steps);
    expect([shown[0], shown.at(-1), shown.length]).toEqual([1, steps, 6]);
  }
});
