// What the run's numbers allow to be said. The sentences are written by `export`; here they are only found.

import type { Run } from "./data";

/** When a rival reaches the probe's bar; "not measured" where the two were not timed. */
export function leadOver(run: Run, property: string, rival: string): string {
  return run.words.properties[property]?.leads[rival] ?? "not measured";
}

/** How much noise there is at a step, counted from 1; "" where that is not known. */
export function noiseAt(run: Run, step: number): string {
  return run.words.noise[step - 1] ?? "";
}
