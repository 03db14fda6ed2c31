// The model at work, off the page's own thread: words, fifteen steps, and a picture of each.

import type * as Ort from "onnxruntime-web";
import gpuGlue from "onnxruntime-web/ort-wasm-simd-threaded.jspi.mjs?url";
import gpuBinary from "onnxruntime-web/ort-wasm-simd-threaded.jspi.wasm?url";
import glue from "onnxruntime-web/ort-wasm-simd-threaded.mjs?url";
import binary from "onnxruntime-web/ort-wasm-simd-threaded.wasm?url";

import { aimAt } from "./carry";
import { randn } from "./noise";
import { type Answer, type Ask, guided, type Job, mix, type Page, pixels, type Wanted } from "./page";
import { tokenizer } from "./tokens";

type Sessions = Record<"words" | "step" | "picture", Ort.InferenceSession>;
type Loaded = { ort: typeof Ort; page: Page; sessions: Sessions };

const MOST_THREADS = 4;
let loaded: Loaded | null = null;
let isStopped = false;

const tell = (answer: Answer) => postMessage(answer);

onmessage = async ({ data }: MessageEvent<Ask>) => {
  try {
    if (data.kind === "stop") isStopped = true;
    if (data.kind === "load") loaded = await load(data.page, data.base, data.wanted);
    if (data.kind === "paint" && loaded) await paint(loaded, data);
  } catch (error) {
    tell({ kind: "failed", message: error instanceof Error ? error.message : String(error) });
  }
};

/** Open the model on a GPU where there is one; on the processor where it does not run there. */
async function load(page: Page, base: string, wanted: Wanted): Promise<Loaded> {
  const onGpu = wanted !== "wasm" && (await hasGpu(wanted === "webgpu"));
  try {
    return await open(page, base, onGpu);
  } catch (error) {
    if (!onGpu) throw error;
    console.warn("WebGPU did not take the model; WebAssembly does.", error);
    return open(page, base, false);
  }
}

async function open(page: Page, base: string, onGpu: boolean): Promise<Loaded> {
  const total = Object.values(page.bytes).reduce((a, b) => a + b, 0);
  const version = page.version ? `?v=${page.version}` : "";
  const files = (["words", "step", "picture"] as const).map((name) => `${base}${name}.onnx${version}`);
  const [runtime, ...graphs] = await downloaded([onGpu ? gpuBinary : binary, ...files], total);
  const ort: typeof Ort = onGpu ? await import("onnxruntime-web/jspi") : await import("onnxruntime-web/wasm");
  ort.env.logLevel = "error";
  ort.env.wasm.wasmBinary = runtime!.buffer as ArrayBuffer;
  ort.env.wasm.wasmPaths = { mjs: new URL(onGpu ? gpuGlue : glue, self.location.href).href };
  // Threads share memory, which browsers allow only where the host isolates the page.
  ort.env.wasm.numThreads = self.crossOriginIsolated ? Math.min(MOST_THREADS, navigator.hardwareConcurrency) : 1;
  const options = { executionProviders: [onGpu ? "webgpu" : "wasm"] };
  const [words, step, picture] = [
    await ort.InferenceSession.create(graphs[0]!, options),
    await ort.InferenceSession.create(graphs[1]!, options),
    await ort.InferenceSession.create(graphs[2]!, options),
  ];
  const threads = ort.env.wasm.numThreads;
  tell({ kind: "ready", runtime: onGpu ? "WebGPU" : `WebAssembly, ${threads} ${threads === 1 ? "thread" : "threads"}` });
  return { ort, page, sessions: { words, step, picture } };
}

type Adapter = { isFallbackAdapter?: boolean; info?: { isFallbackAdapter?: boolean } };

/** Say whether there is a GPU, and the way to wait for it that the runtime needs. Software that plays a GPU counts if asked for. */
async function hasGpu(takesSoftware: boolean): Promise<boolean> {
  const { gpu } = navigator as { gpu?: { requestAdapter(): Promise<Adapter | null> } };
  if (!gpu || !("Suspending" in WebAssembly)) return false;
  const adapter = await gpu.requestAdapter().catch(() => null);
  return adapter !== null && (takesSoftware || !(adapter.info?.isFallbackAdapter ?? adapter.isFallbackAdapter ?? false));
}

const KEPT = "underpaint-painter";

/** Fetch a file, from what an earlier visit kept where its address says which version it is. */
async function fetched(address: string): Promise<Response> {
  const cache = address.includes("?v=") ? await self.caches?.open(KEPT).catch(() => undefined) : undefined;
  const found = await cache?.match(address);
  if (found) return found;
  const answer = await fetch(address);
  if (cache && answer.ok) {
    const older = (await cache.keys()).filter(({ url }) => url.split("?")[0] === address.split("?")[0]);
    await Promise.all(older.map((each) => cache.delete(each)));
    await cache.put(address, answer.clone()).catch(() => undefined); // there may be no room
  }
  return answer;
}

/** Fetch files at once, telling how many bytes are here. Sizes are the servers', where they say. */
async function downloaded(addresses: string[], known: number): Promise<Uint8Array[]> {
  const answers = await Promise.all(addresses.map(fetched));
  const missing = answers.findIndex((answer) => !answer.ok);
  if (missing >= 0) throw new Error(`${addresses[missing]} is missing (${answers[missing]!.status}). Export the site again.`);
  const runtime = Number(answers[0]!.headers.get("Content-Length")) || 15e6;
  let done = 0;
  return Promise.all(answers.map(async (answer) => {
    const parts: Uint8Array[] = [];
    const reader = answer.body!.getReader();
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      parts.push(part.value);
      done += part.value.length;
      tell({ kind: "progress", done, total: Math.max(done, known + runtime) });
    }
    const whole = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
    let at = 0;
    for (const part of parts) {
      whole.set(part, at);
      at += part.length;
    }
    return whole;
  }));
}

async function paint({ ort, page, sessions }: Loaded, job: Job): Promise<void> {
  isStopped = false;
  const begun = performance.now();
  const encode = tokenizer(page.tokens);
  const { length } = page.tokens;
  const ids = new Int32Array(2 * length);
  ids.set(encode(""));
  ids.set(encode(job.text), length);
  const { context } = await sessions.words.run({ ids: new ort.Tensor("int32", ids, [2, length]) });
  const shape = [1, ...page.latent];
  const scalar = (value: number) => new ort.Tensor("float32", [value], []);
  const draw = async (latents: Float32Array) => {
    const { picture } = await sessions.picture.run({ latents: new ort.Tensor("float32", latents, shape) });
    return pixels((await picture!.getData()) as Float32Array);
  };
  const aim = aimAt(page, job.mask ?? new Uint8Array(page.picture[0] * page.picture[1]), job.own);
  const [count, size] = [aim.asked.length, page.picture];
  let latents = randn(page.latent[0] * page.latent[1] * page.latent[2], BigInt(job.seed));
  for (const [step, plan] of page.steps.entries()) {
    const isEdited = job.mask !== null && step < job.editSteps;
    const { out, ...maps } = await sessions.step.run({
      latents: new ort.Tensor("float32", latents, shape),
      timestep: scalar(plan.timestep),
      context: context!,
      step: new ort.Tensor("int32", [step], []),
      targets: new ort.Tensor("float32", aim.targets, [1, count, ...size]),
      asked: new ort.Tensor("float32", aim.asked, [count]),
      where: new ort.Tensor("float32", aim.where, [1, 1, ...size]),
      strength: scalar(isEdited ? job.strength : 0),
      push: scalar(page.edit.push),
    });
    const said = guided((await out!.getData()) as Float32Array, page.guidance);
    const picture = await draw(mix(plan.clean, latents, said));
    latents = mix(plan.next, latents, said);
    const reads: Record<string, Float32Array> = {};
    for (const [name, map] of Object.entries(maps)) {
      reads[name.replace(/^read_/, "")] = ((await map.getData()) as Float32Array).slice();
    }
    tell({ kind: "step", id: job.id, step, frame: { picture, reads } });
    await new Promise((resolve) => setTimeout(resolve)); // lets a Stop come in
    if (isStopped) return tell({ kind: "stopped", id: job.id });
  }
  tell({ kind: "done", id: job.id, picture: await draw(latents), seconds: (performance.now() - begun) / 1000 });
}
