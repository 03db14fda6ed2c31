// What `underpaint export` writes for this view, what the worker is asked, and what it answers.

import type { Tokens } from "./tokens";

/** Weights of x_t and of the denoiser's output. */
export type Pair = [number, number];
export type Read = { layer: string; grid: [number, number]; targets: number; low?: number; high?: number; thresholds?: number[] };
export type Grammar = { template: string; parts: Record<string, Record<string, string>> };
export type Page = {
  model: string;
  guidance: number;
  latent: [number, number, number];
  picture: [number, number];
  steps: { timestep: number; next: Pair; clean: Pair }[];
  edit: {
    steps: number;
    strength: number;
    strength_alone: number;
    push: number;
    margin_px: number;
    fringe_px: number;
    moved: { name: string; targets: number }[];
  };
  reads: Record<string, Read>;
  tokens: Tokens;
  grammar: Grammar | null;
  prompts: { text: string; seed: string; index?: number }[];
  version?: string;
  bytes: Record<"words" | "step" | "picture", number>;
};

/** What a picture shows: its object's mask, and what probes read at the last step. */
export type Own = { object: Uint8Array; reads: Record<string, Float32Array> };
/** A picture to paint. With `own`, the object that is there without a mask takes its looks along. */
export type Job = { id: number; text: string; seed: string; mask: Uint8Array | null; own: Own | null; strength: number; editSteps: number };
/** Where the model shall run; the best there is, if nothing is asked for. */
export type Wanted = "webgpu" | "wasm" | undefined;
export type Ask = { kind: "load"; page: Page; base: string; wanted: Wanted } | ({ kind: "paint" } & Job) | { kind: "stop" };
/** One step as it is shown: the estimate of the picture, RGBA, and each property's map. */
export type Frame = { picture: Uint8ClampedArray<ArrayBuffer>; reads: Record<string, Float32Array> };
export type Answer =
  | { kind: "progress"; done: number; total: number }
  | { kind: "ready"; runtime: string }
  | { kind: "step"; id: number; step: number; frame: Frame }
  | { kind: "done"; id: number; picture: Uint8ClampedArray<ArrayBuffer>; seconds: number }
  | { kind: "stopped"; id: number }
  | { kind: "failed"; message: string };

/** Add two arrays, weighted. */
export function mix([ofX, ofOut]: Pair, x: Float32Array, out: Float32Array): Float32Array {
  return x.map((value, at) => ofX * value + ofOut * out[at]!);
}

/** Go from the unconditional half of an output past the conditional half. */
export function guided(both: Float32Array, guidance: number): Float32Array {
  const half = both.length / 2;
  return both.slice(0, half).map((value, at) => value + guidance * (both[half + at]! - value));
}

/** Turn 0..1 by channel, row and column into what a canvas takes. */
export function pixels(picture: Float32Array): Uint8ClampedArray<ArrayBuffer> {
  const count = picture.length / 3;
  const found = new Uint8ClampedArray(count * 4).fill(255);
  for (let at = 0; at < count; at++) {
    for (let channel = 0; channel < 3; channel++) found[at * 4 + channel] = picture[channel * count + at]! * 255;
  }
  return found;
}

/** Write a sentence of chosen words. */
export function spell(grammar: Grammar, words: Record<string, string>): string {
  return grammar.template.replace(/\{(\w+)\}/g, (_, part: string) => grammar.parts[part]?.[words[part] ?? ""] ?? "");
}

/** Read a sentence back into its words; null if it is none of the grammar's. */
export function parse(grammar: Grammar, text: string): Record<string, string> | null {
  const names: string[] = [];
  const escape = (plain: string) => plain.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  const pattern = grammar.template.split(/(\{\w+\})/).map((piece) => {
    const part = /^\{(\w+)\}$/.exec(piece)?.[1];
    if (!part) return escape(piece);
    names.push(part);
    return `(${Object.values(grammar.parts[part] ?? {}).map(escape).join("|")})`;
  });
  const found = new RegExp(`^${pattern.join("")}$`, "i").exec(text.trim().replace(/\s+/g, " "));
  if (!found) return null;
  return Object.fromEntries(names.map((part, at) => {
    const spoken = found[at + 1]!.toLowerCase();
    return [part, Object.entries(grammar.parts[part]!).find(([, each]) => each === spoken)![0]];
  }));
}

/** Words of a text that stand nowhere in the grammar, in order, each once. */
export function unlearnt(grammar: Grammar, text: string): string[] {
  const wordsOf = (said: string) => said.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];
  const spoken = Object.values(grammar.parts).flatMap((part) => Object.values(part));
  const known = new Set([grammar.template.replace(/\{\w+\}/g, " "), ...spoken].flatMap(wordsOf));
  return [...new Set(wordsOf(text))].filter((word) => !known.has(word));
}

/** Place a reading in its colour map, 0..255; a mask begins at 128. Of three targets, one after another. */
export function shades(read: Read, values: Float32Array, step: number): Uint8ClampedArray {
  const found = new Uint8ClampedArray(values.length);
  if (read.thresholds) {
    const mean = values.reduce((a, b) => a + b, 0) / values.length;
    const spread = Math.sqrt(values.reduce((a, b) => a + (b - mean) ** 2, 0) / values.length) || 1;
    const cut = read.thresholds[step] ?? 0.5;
    return found.map((_, at) => 127.5 + 127.5 * Math.tanh((values[at]! - cut) / spread));
  }
  const low = read.low ?? 0;
  return found.map((_, at) => (255 * (values[at]! - low)) / ((read.high ?? 1) - low));
}
