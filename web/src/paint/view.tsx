import { useEffect, useRef, useState } from "preact/hooks";

import { change } from "../address";
import { pictureOf, readJson } from "../data";
import { Board, type Tool } from "./board";
import { cardOf, download, downloadMoving } from "./card";
import { Engine } from "./engine";
import { centreOf, decoded, empty, encoded, fromReading, isEmpty, type Mask, oval, overlap } from "./mask";
import type { Frame, Own, Page } from "./page";
import { Picture, Reading } from "./pictures";
import { Loading, Tools } from "./tools";
import { newSeed, Words } from "./words";
import "./paint.css";

const BASE = "data/paint/";
const KEPT = 100; // masks that Undo goes back over
const FOLLOWED = 0.6; // overlap with the mask below which another seed is offered
const RUNTIME_MB = 15;

type Shown = { text: string; seed: string; frames: Frame[]; final: Frame["picture"] | null; mask: Mask | null };
/** What stays when another view is opened: the model, masks and pictures. */
const kept: { engine: Engine | null; runtime: string; masks: Mask[] | null; shown: Shown | null; own: Shown | null } = { engine: null, runtime: "", masks: null, shown: null, own: null };

/** Open the view: read what the model is, then show it. */
export function View({ options }: { options: Record<string, string> }) {
  const [page, setPage] = useState<Page | null>(null);
  const [failed, setFailed] = useState("");
  useEffect(() => void readJson<Page>(`${BASE}paint.json`).then(setPage, (error: Error) => setFailed(error.message)), []);
  if (failed) return <p role="alert">{failed}</p>;
  return page ? <Studio page={page} options={options} /> : <p>Reading the model…</p>;
}

/** Say what and where, and watch the model paint it. */
function Studio({ page, options }: { page: Page; options: Record<string, string> }) {
  const [rows, cols] = page.picture;
  const text = options.text || page.prompts[0]!.text;
  const seed = /^\d{1,19}$/.test(options.seed ?? "") ? options.seed! : page.prompts[0]!.seed;
  const asked = Number(options.strength);
  const [strength, setStrength] = useState(options.strength && asked >= 0 && asked <= 6 ? asked : page.edit.strength);
  const [editSteps, setEditSteps] = useState(page.edit.steps);
  const looks = page.edit.moved.slice(1).map((each) => each.name);
  const [carries, setCarries] = useState(looks.length > 0);
  const [tool, setTool] = useState<Tool>("brush");
  const [size, setSize] = useState(0.1);
  const [masks, setMasks] = useState<Mask[]>(kept.masks ?? [decoded(options.mask, rows, cols) ?? empty(rows, cols)]);
  const [progress, setProgress] = useState({ done: 0, total: 1 });
  const [runtime, setRuntime] = useState(kept.runtime);
  const [isLoading, setLoading] = useState(false);
  const [paintsAtOnce, setPaintsAtOnce] = useState(true);
  const [failed, setFailed] = useState("");
  const [status, setStatus] = useState("");
  const [busy, setBusy] = useState(false);
  const [wipe, setWipe] = useState(0);
  const [shown, setShown] = useState<Shown | null>(kept.shown);
  const [own, setOwn] = useState<Shown | null>(kept.own);
  const [step, setStep] = useState(kept.shown ? kept.shown.frames.length - 1 : 0);
  const engine = useRef<Engine | null>(kept.engine);

  const mask = masks.at(-1)!;
  const put = (next: Mask) => setMasks((before) => [...before.slice(-KEPT), next]);
  const undo = () => setMasks((before) => (before.length > 1 ? before.slice(0, -1) : before));
  const isOf = (each: Shown | null) => each !== null && each.text === text && each.seed === seed;

  /** Paint; an object that takes its looks along has to be seen without the mask first. */
  const paint = (masked: Mask) => {
    if (isEmpty(masked)) start(null, null);
    else if (!carries) start(masked, null);
    else if (isOf(own)) start(masked, own);
    else start(null, null, (plain) => start(masked, plain));
  };

  const start = (masked: Mask | null, from: Shown | null, then?: (plain: Shown) => void) => {
    const job = { text, seed, strength, editSteps, mask: masked?.bytes ?? null, own: from && shownBy(page, from) };
    let next: Shown = { text, seed, frames: [], final: null, mask: masked };
    setBusy(true);
    setStatus(then ? `Painting “${text}” without your mask, to see what it looks like.` : `Painting “${text}”.`);
    engine.current?.paint(job, {
      step: (at, frame) => {
        next = { ...next, frames: [...next.frames, frame] };
        setShown(next);
        setStep(at);
      },
      done: (final, seconds) => {
        next = { ...next, final };
        setShown(next);
        if (!next.mask) setOwn(next);
        if (then) return then(next);
        setBusy(false);
        setStatus(`Painted in ${seconds.toFixed(1)} seconds.${next.mask || !takeUp(next) ? "" : " Drag the object to another place, and let go."}`);
      },
      stopped: () => {
        setBusy(false);
        setStatus(`Stopped after step ${next.frames.length} of ${page.steps.length}.`);
      },
    });
  };

  /** Take the object as the mask, to be dragged, where nothing was drawn yet. */
  const takeUp = (plain: Shown): boolean => {
    const found = objectOf(page, plain);
    if (!found || isEmpty(found)) return false;
    setMasks((before) => (before.length === 1 && isEmpty(before[0]!) ? [...before, found] : before));
    setTool((before) => (kept.masks === null || kept.masks.length <= 1 ? "move" : before));
    return true;
  };

  /** Fetch the model: only when it is asked for, since it is large. */
  const load = () => {
    const wanted = options.runtime === "webgpu" || options.runtime === "wasm" ? options.runtime : undefined;
    setLoading(true);
    const made = new Engine(page, BASE, wanted, {
      progress: (done, total) => setProgress({ done, total }),
      ready: (found) => {
        kept.engine = made;
        kept.runtime = found;
        setRuntime(found);
        setLoading(false);
        setStatus("The model is ready.");
        paint(mask);
      },
      failed: (message) => {
        setBusy(false);
        setLoading(false);
        setFailed(message);
      },
    });
    engine.current = made;
  };
  useEffect(() => () => {
    if (kept.engine === null) engine.current?.close();
    else kept.engine.stop();
  }, []);
  useEffect(() => Object.assign(kept, { masks, shown, own }) && undefined, [masks, shown, own]);

  const current = shown;
  const isOther = current !== null && !isOf(current);
  const last = page.steps.length - 1;
  const frame = current?.frames[Math.min(step, current.frames.length - 1)];
  const picture = current?.final && step === last ? current.final : frame?.picture;
  const object = page.reads.saliency;
  const followed = current?.mask && current.final ? overlapOf(page, current) : null;
  const megabytes = Math.round(Object.values(page.bytes).reduce((a, b) => a + b, 0) / 1e6) + RUNTIME_MB;
  const stored = page.prompts.find((each) => each.text === text && each.seed === seed)?.index ?? null; // only of these words
  const pair = current?.mask && current.final && isOf(own) && own?.final && current.text === own.text ? { before: own.final, after: current.final } : null;
  const letGo = (next: Mask) => {
    put(next);
    if (paintsAtOnce && runtime && !busy) paint(next);
  };
  const share = async () => {
    change({ text, seed, strength: String(strength), ...(isEmpty(mask) ? {} : { mask: encoded(mask) }) });
    await navigator.clipboard?.writeText(location.href).then(() => setStatus("The link is on the clipboard."), () => setStatus("The link is in the address bar."));
  };
  const addOval = () => {
    const centre = isEmpty(mask) ? { x: cols / 2, y: rows * 0.55 } : centreOf(mask);
    put(oval(mask, centre, cols / 6, rows / 6));
  };
  const takeObject = () => {
    const found = objectOf(page, isOf(own) ? own : current);
    if (found) put(found);
  };
  const nameOf = (suffix: string) => `${(current?.text ?? text).toLowerCase().replace(/[^\p{L}\p{N}]+/gu, "-").slice(0, 60)}-${current?.seed ?? seed}${suffix}`;
  const save = () => download(document.querySelector<HTMLCanvasElement>(".board canvas.picture"), nameOf(".png"));
  const overlapSaid = followed === null ? "" : `, overlap with the mask ${Math.round(100 * followed)}%`;
  const about = pair ? `Seed ${current!.seed}: without a mask, and moved by editing activations${overlapSaid}. underpaint` : `Seed ${current?.seed ?? seed}. underpaint`;
  const savePair = () => pair && download(cardOf([pair.before, pair.after], rows, cols, [current!.text, about]), nameOf("-before-after.png"));
  const saveMoving = () => {
    const pictures = current?.final ? [...current.frames.map((each) => each.picture), current.final] : [];
    void downloadMoving(pair?.before ?? null, pictures, rows, cols, [current!.text, about], nameOf(".gif")).catch((error: Error) => setStatus(`No GIF was made: ${error.message}`));
  };

  return (
    <>
      <h1>Paint</h1>
      <p class="intro">
        Say what shall be there, draw where, and watch {page.model} paint it: in your browser, with no server behind it.
      </p>
      {failed && <p role="alert">The model cannot run here: {failed}</p>}
      <div class="studio">
        <div class="say"><Words page={page} text={text} seed={seed} /></div>
        <div class="stage">
          <Board rows={rows} cols={cols} picture={picture ?? null} mask={mask} outlined={busy || tool === "move" || (current?.mask ?? null) !== null}
            tool={tool} radius={size * cols / 2} put={put} letGo={letGo} undo={undo} still={runtime || stored === null ? null : pictureOf(stored)}
            before={pair && !busy && step === last ? { picture: pair.before, share: wipe } : null}>
            {isLoading && !failed && <Loading {...progress} />}
          </Board>
          {pair && !busy && step === last && (
            <label class="wipe">after <input type="range" min="0" max="1" step="0.01" value={wipe} aria-label="How much of the picture before is shown" onInput={(event) => setWipe(Number(event.currentTarget.value))} /> before</label>
          )}
          <div class="buttons main-buttons">
            {!runtime
              ? <button class="primary" onClick={load} disabled={isLoading}>Load the painter, {megabytes} MB</button>
              : busy
                ? <button class="primary" onClick={() => engine.current?.stop()}>Stop</button>
                : <button class="primary" onClick={() => paint(mask)}>Paint</button>}
            <button onClick={save} disabled={!picture}>Save PNG</button>
            <button onClick={savePair} disabled={!pair}>Save before and after</button>
            <button onClick={saveMoving} disabled={!current?.final || busy} title="The picture coming into being, step by step">Save GIF</button>
            <button onClick={share}>Copy link</button>
          </div>
          <p class="status" role="status">{status}</p>
          {followed !== null && (
            <p class="verdict">
              The object that the probe reads overlaps your mask by <strong>{Math.round(100 * followed)}%</strong>.
              {followed < FOLLOWED && <> <button onClick={() => change({ text, seed: newSeed() })}>Try another seed</button></>}
            </p>
          )}
          {!runtime && stored === null && <p class="note">No picture of these words with this seed is stored. Load the painter to see it.</p>}
          {isOther && <p class="note">This picture is of “{current.text}”, seed {current.seed}. Press Paint for the words above.</p>}
        </div>
        <div class="hands">
          <Tools tool={tool} setTool={setTool} size={size} setSize={setSize} />
          <div class="buttons" role="group" aria-label="Whole masks">
            <button onClick={addOval}>Add oval</button>
            <button onClick={takeObject} disabled={!object || !(isOf(own) || current?.frames.length)} title="What the probe reads as the object">Object's mask</button>
            <button onClick={undo} disabled={masks.length < 2}>Undo</button>
            <button onClick={() => put(empty(rows, cols))} disabled={isEmpty(mask)}>Clear</button>
          </div>
          <label class="note"><input type="checkbox" checked={paintsAtOnce} onChange={({ currentTarget: { checked } }) => setPaintsAtOnce(checked)} /> Paint when I let go of the mask</label>
          <p class="note" id="board-keys">Draw with a pointer; or add an oval and, on the picture, move it with arrow keys and scale it with + and −. Ctrl-Z takes back.</p>
        </div>
        <div class="side">
          <label class="scrub">
            {current?.frames.length ? `Step ${Math.min(step, current.frames.length - 1) + 1} of ${page.steps.length}` : "Not painted yet"}
            <input type="range" min="1" max={page.steps.length} value={step + 1} disabled={busy || !current}
              onInput={(event) => setStep(Math.min(Number(event.currentTarget.value) - 1, (current?.frames.length ?? 1) - 1))} />
          </label>
          <div class="reads">
            {Object.entries(page.reads).filter(([, read]) => read.targets === 1 || read.targets === 3).map(([name, read]) => (
              <figure key={name}>
                <Reading name={name} read={read} values={frame?.reads[name] ?? null} step={step} />
                <figcaption>{name}<span>probe at {read.layer}</span></figcaption>
              </figure>
            ))}
            <figure>
              <Picture rows={rows} cols={cols} picture={isOf(own) ? own!.final : null} label="The picture without a mask" />
              <figcaption>without your mask<span>same words, same seed</span></figcaption>
            </figure>
          </div>
        </div>
        <div class="more">
          <details>
            <summary>How hard, how long</summary>
            <label class="scrub">Strength {strength.toFixed(1)} <input type="range" min="0" max="6" step="0.5" value={strength} onInput={(event) => setStrength(Number(event.currentTarget.value))} /></label>
            <label class="scrub">Steps 1 to {editSteps} <input type="range" min="1" max={page.steps.length} value={editSteps} onInput={(event) => setEditSteps(Number(event.currentTarget.value))} /></label>
            <label><input type="checkbox" checked={carries} disabled={!looks.length} onChange={({ currentTarget: { checked } }) => {
              setCarries(checked);
              setStrength(checked ? page.edit.strength : page.edit.strength_alone);
            }} /> The object takes its looks along{looks.length ? `: ${looks.join(", ")}` : ", if probes of them are in the run"}</label>
            <p class="note">
              At strength 1 the probes read your mask exactly, and the looks that they read of the object without it.
              A mask alone says where, not what, and wants more strength. The change is the least in the activations' own covariance,
              at the layers of the last two blocks; after those steps the model is left alone.
            </p>
          </details>
          <p class="note">
            The maps are what linear probes read from the model's activations at this step; the picture is the
            model's estimate of where it is heading.{runtime && ` Runs on ${runtime}.`}
          </p>
        </div>
      </div>
    </>
  );
}

/** How far the object that the probe reads at the last step lies where the mask asked for it. */
function overlapOf(page: Page, from: Shown): number | null {
  const found = objectOf(page, from);
  return found && from.mask ? overlap(found, from.mask) : null;
}

/** The object that a picture's last step shows, as the probe reads it. */
function objectOf(page: Page, from: Shown | null): Mask | null {
  const object = page.reads.saliency;
  const values = from?.frames.at(-1)?.reads.saliency;
  if (!object || !values) return null;
  return fromReading(...page.picture, object.grid, values, object.thresholds?.[from!.frames.length - 1] ?? 0.5);
}

function shownBy(page: Page, from: Shown): Own | null {
  const object = objectOf(page, from);
  return object && { object: object.bytes, reads: from.frames.at(-1)!.reads };
}
