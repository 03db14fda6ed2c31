// The page's side of the worker: one job at a time, and only the latest one is heard.

import type { Answer, Ask, Frame, Job, Page, Wanted } from "./page";

export type Loading = {
  progress: (done: number, total: number) => void;
  ready: (runtime: string) => void;
  failed: (message: string) => void;
};
export type Painting = {
  step: (step: number, frame: Frame) => void;
  done: (picture: Frame["picture"], seconds: number) => void;
  stopped: () => void;
};

export class Engine {
  private readonly worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
  private number = 0;
  private painting: Painting | null = null;

  constructor(page: Page, base: string, wanted: Wanted, loading: Loading) {
    this.worker.onmessage = ({ data }: MessageEvent<Answer>) => this.hear(data, loading);
    this.worker.onerror = (event) => loading.failed(event.message || "its worker did not start");
    this.ask({ kind: "load", page, base: new URL(base, document.baseURI).href, wanted });
  }

  paint(job: Omit<Job, "id">, painting: Painting): void {
    this.painting = painting;
    this.ask({ kind: "paint", id: ++this.number, ...job });
  }

  stop(): void {
    this.ask({ kind: "stop" });
  }

  close(): void {
    this.worker.terminate();
  }

  private ask(ask: Ask): void {
    this.worker.postMessage(ask);
  }

  private hear(answer: Answer, loading: Loading): void {
    if (answer.kind === "progress") loading.progress(answer.done, answer.total);
    else if (answer.kind === "ready") loading.ready(answer.runtime);
    else if (answer.kind === "failed") loading.failed(answer.message);
    else if (answer.id !== this.number) return;
    else if (answer.kind === "step") this.painting?.step(answer.step, answer.frame);
    else if (answer.kind === "done") this.painting?.done(answer.picture, answer.seconds);
    else this.painting?.stopped();
  }
}
