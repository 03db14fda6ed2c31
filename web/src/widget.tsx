// The Explorer in a notebook, for anywidget: files come through the widget, and no host is asked for any.

import { render as show } from "preact";
import { useEffect, useState } from "preact/hooks";

import { declare, type Prompt, type Run } from "./data";
import { Explorer } from "./explorer";
import { Place, type Surroundings } from "./place";
import css from "./style.css?inline";

type Options = Record<string, string>;
type State = { files: Record<string, DataView>; options: Options };
/** What anywidget gives: the state that Python holds too. */
export type Model = {
  get<K extends keyof State>(name: K): State[K];
  set<K extends keyof State>(name: K, value: State[K]): void;
  save_changes(): void;
  on(event: string, listen: () => void): void;
  off(event: string, listen: () => void): void;
};

const SHARE = 0x8000; // bytes turned into text at once

/** Write an image's bytes into an address of its own: some notebooks allow no other kind. */
export function addressOf(bytes: DataView): string {
  const all = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let text = "";
  for (let at = 0; at < all.length; at += SHARE) text += String.fromCharCode(...all.subarray(at, at + SHARE));
  return `data:image/webp;base64,${btoa(text)}`;
}

/** Read a site's files out of the widget's state, and keep its choices there. */
export function surroundings(model: Model): Surroundings & { json: <T>(path: string) => T } {
  const files = model.get("files");
  const located = new Map<string, string>();
  const bytesOf = (path: string): DataView => {
    const bytes = files[path];
    if (!bytes) throw new Error(`${path} is not in this widget. Make it again.`);
    return bytes;
  };
  const json = <T,>(path: string): T => JSON.parse(new TextDecoder().decode(bytesOf(path))) as T;
  return {
    json,
    read: async <T,>(path: string) => json<T>(path),
    locate: (path) => {
      const known = located.get(path) ?? (files[path] ? addressOf(bytesOf(path)) : path);
      located.set(path, known);
      return known;
    },
    change: (options) => {
      model.set("options", { ...model.get("options"), ...options });
      model.save_changes();
    },
  };
}

/** Read the notebook's light or dark, not the system's: JupyterLab, VS Code and Colab each say it their way. */
function schemeOf({ body, documentElement: html }: Document): string {
  const said = body.dataset.jpThemeLight;
  if (said) return said === "true" ? "light" : "dark";
  if (/\bvscode-(dark|high-contrast)\b/.test(body.className)) return "dark";
  if (body.classList.contains("vscode-light")) return "light";
  return html.getAttribute("theme") ?? "light dark";
}

function Widget({ model, around }: { model: Model; around: ReturnType<typeof surroundings> }) {
  const [options, setOptions] = useState(model.get("options"));
  const [run] = useState(() => around.json<Run>("data/run.json"));
  const [prompts] = useState(() => around.json<Prompt[]>("data/prompts.json"));
  useEffect(() => {
    declare(run.sources);
    const follow = () => setOptions({ ...model.get("options") });
    model.on("change:options", follow);
    return () => model.off("change:options", follow);
  }, []);
  return <Place.Provider value={around}><Explorer run={run} prompts={prompts} options={options} /></Place.Provider>;
}

/** Draw into a cell's output. A shadow keeps the notebook's styles out, and ours in. */
function render({ model, el }: { model: Model; el: HTMLElement }): () => void {
  const root = el.attachShadow({ mode: "open" });
  const style = document.createElement("style");
  style.textContent = css;
  const box = document.createElement("main");
  box.className = "widget explorer";
  const follow = () => void (box.style.colorScheme = schemeOf(document));
  const themes = new MutationObserver(follow);
  for (const said of [document.documentElement, document.body]) {
    themes.observe(said, { attributeFilter: ["class", "theme", "data-jp-theme-light"] });
  }
  follow();
  root.append(style, box);
  show(<Widget model={model} around={surroundings(model)} />, box);
  return () => {
    themes.disconnect();
    show(null, box);
  };
}

export default { render };
