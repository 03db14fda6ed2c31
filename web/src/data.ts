// What `underpaint export` writes, and how it is read.

export type Point = { mean: number | null; low: number | null; high: number | null; undefined: number };
export type Onset = { step: number; low: number; high: number };
export type Source = { layer: string | null; by_step: Point[]; final: Point; onset: Onset | null; seen?: number[] };
export type Property = {
  metric: string;
  best_layer: string;
  sources: Record<string, Source>;
  bar?: number | null;
  lead: Record<string, unknown> | null;
  crossover: Record<string, Onset | number | null>;
  layers: Record<string, { by_step: Point[] }>;
};
export type Layer = { name: string; grid?: [number, number]; channels?: number };
export type Run = {
  version: string;
  settings: Record<string, unknown>;
  summary: {
    model: string;
    steps: number;
    noise?: (number | null)[] | null;
    images: { train: number; validation: number; test: number };
    properties: Record<string, Property>;
    cost?: { seconds: number; seconds_generation: number };
    classify?: Classify;
    edits?: EditSummary[];
    cross?: Cross;
    splits?: Splits;
  };
  words: Words;
  /** Index of the prompt that the Story opens with, if maps were drawn. */
  first?: number;
  layers: Layer[];
  files: string[];
  sources?: Declared[];
  has?: { edits: boolean; recognition: boolean; paint?: boolean; compare?: boolean };
};
/** Sentences about what was found, ready to be shown. */
export type Words = {
  title: string;
  rivalry: string;
  findings: string[];
  noise: string[];
  properties: Record<string, { timing: string; leads: Record<string, string>; crossings: string; gaps: string }>;
};
export type Interval = { mean: number | null; low: number | null; high: number | null };
type Shares = Record<"caption" | "noise" | "meeting", Interval>;
/** Of `underpaint cross`: shares of variance. */
export type Cross = { captions: number; noises: number; properties: Record<string, { label: Shares; layers: Record<string, { by_step: Shares[] }> }> };
/** Of `underpaint run --splits`. */
export type Splits = { count: number; properties: Record<string, { sources: Record<string, { final: { mean: number; sd: number }; layers: string[] }> }> };
export type Classify = {
  namer: string;
  classes: string[];
  left_out: number;
  sources: Record<string, { layer: string | null; by_step: Point[]; final: Point; chance: Point; stays: Point & { median: number | null } }>;
};
/** One picture's likeliest classes by source, and at which steps each source is right. */
export type Recognised = {
  pictures: Record<string, { probabilities: Record<string, { class: string; by_step: (number | null)[] }[]>; hits?: Record<string, (number | null)[]> }>;
};
type Measured = { mean: number | null; low: number | null; high: number | null; median: number | null };
/** How an edit was made, as its frames and its summary both name it. */
type Trial = { target: string; prompts: string; control: string; strength: number; layers: string; unconditional: number; seed: number; held: string; carried: string; margin: number };
export type EditSummary = Trial & {
  steps: [number, number];
  images: number;
  left_out: number;
  dice_target: Measured;
  dice_unedited: Measured;
  dice_old: Measured;
  background_psnr: Measured;
  gain: Measured;
  above_random?: Measured;
  success?: Measured & { undefined: number };
};
export type Frames = Trial & {
  first_step: number;
  /** Who said where the object is before the edit: labelers, if it is not said. */
  seen_by?: string;
  last_step: number;
  strengths: number[];
  folder: string;
  pictures: EditedPicture[];
};
export type EditedPicture = {
  index: number;
  text: string;
  seed: number;
  size: [number, number];
  dice_target: (number | null)[];
  dice_old: (number | null)[];
  dice_unedited: (number | null)[];
  background_psnr: (number | null)[];
};
export type Prompt = {
  index: number;
  text: string;
  seed: number;
  has_maps: boolean;
  thumb: { sheet: number; place: number };
  scores: Record<string, Record<string, (number | null)[]>>;
};
export type Maps = {
  pictures: { file: string; side: number };
  maps: Record<string, { file: string; side: number; probe: string; low: number; high: number; targets?: number }>;
  grids: [string, number, number][];
  scores: Record<string, Record<string, (number | null)[]>>;
};

const early = new Map<string, Promise<unknown>>();

/** Ask for a file before what reads it is drawn: a frame on a slow phone takes as long as a file. */
export function askEarly<T>(path: string): Promise<T> {
  const asked = fetchJson<T>(path);
  asked.catch(() => undefined); // whoever reads it says so
  early.set(path, asked);
  return asked;
}

export async function readJson<T>(path: string): Promise<T> {
  const asked = early.get(path) as Promise<T> | undefined;
  early.delete(path);
  return asked ?? fetchJson<T>(path);
}

async function fetchJson<T>(path: string): Promise<T> {
  const answer = await fetch(path);
  if (!answer.ok) throw new Error(`${path} is missing (${answer.status}). Export the site again.`);
  return (await answer.json()) as T;
}

export const folderOf = (index: number): string => String(index).padStart(5, "0");
export const pictureOf = (index: number): string => `data/images/${folderOf(index)}.webp`;

/** Write a number in two decimals, as the paper does. */
export function fixed(value: number | null | undefined): string {
  return value == null ? "–" : (Math.round(value * 100) / 100 + 0).toFixed(2).replace("-", "−");
}

/** Write a score at a step, counted from 1; in words where there is none. */
export function scoreOf(value: number | null | undefined, source: Source | undefined, step: number): string {
  if (value != null) return fixed(value);
  return source && !(source.seen && !source.seen.includes(step)) ? "undefined" : "not measured";
}

/** A picture's mean score of the probe over steps, NaN where none is known. */
export function meanScore(prompt: Prompt, property: string): number {
  const known = (prompt.scores[property]?.probe ?? []).filter((x): x is number => x != null);
  return known.length ? known.reduce((a, b) => a + b, 0) / known.length : NaN;
}

export const METRICS: Record<string, string> = {
  dice: "Dice",
  spearman: "Spearman",
  pearson: "Pearson",
  residual: "residual correlation",
};
/** What a source of scores is, as the run declares it: the page knows none by itself. */
export type Declared = { name: string; sees: string; kind: string; colour: string; dark: string; is_headline?: boolean };
const declared = new Map<string, Declared>();

/** Take over what a run says of its sources. */
export function declare(sources: Declared[] | undefined): void {
  declared.clear();
  for (const each of sources ?? []) declared.set(each.name, each);
}

export const sourceOf = (name: string): Declared | undefined => declared.get(name);
export const headlines = (): string[] => [...declared.values()].filter((each) => each.is_headline).map((each) => each.name);
