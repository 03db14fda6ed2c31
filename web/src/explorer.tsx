import { useEffect, useState } from "preact/hooks";

import { change } from "./address";
import { fixed, folderOf, type Maps, METRICS, pictureOf, type Prompt, readJson, type Run } from "./data";
import { coloursOf, type Tile, TileView } from "./tiles";

/** Place a probe's tile: layers are stacked in its sheet, each at its own grid. */
export function probeTile(maps: Maps, folder: string, property: string, layer: string, step: number): Tile {
  let top = 0;
  for (const [name, rows, cols] of maps.grids) {
    if (name === layer) {
      return { sheet: folder + maps.maps[property]!.probe, left: step * cols, top, width: cols, height: rows };
    }
    top += rows;
  }
  throw new Error(`No maps of layer ${layer}.`);
}

/** One picture at one step: what is seen there, and what each source reads. */
export function Explorer({ run, prompts, options }: { run: Run; prompts: Prompt[]; options: Record<string, string> }) {
  const drawn = prompts.filter((each) => each.has_maps);
  const [filter, setFilter] = useState("");
  const [playing, setPlaying] = useState(false);
  const [maps, setMaps] = useState<{ index: number; maps: Maps } | null>(null);
  const steps = run.summary.steps;
  const prompt = drawn.find((each) => String(each.index) === options.prompt) ?? drawn[0];
  const step = Math.min(Math.max(Number(options.step) || 3, 1), steps);
  const layer = run.layers.find((each) => each.name === options.layer)?.name ?? "";
  const go = (to: number) => change({ step: String(Math.min(Math.max(to, 1), steps)) });

  useEffect(() => {
    if (prompt) void readJson<Maps>(`data/maps/${folderOf(prompt.index)}/maps.json`).then((found) => setMaps({ index: prompt.index, maps: found }));
  }, [prompt?.index]);
  useEffect(() => {
    if (!playing) return;
    const timer = setTimeout(() => go(step === steps ? 1 : step + 1), 450);
    return () => clearTimeout(timer);
  }, [playing, step]);

  if (!prompt) return <p>This site was exported without maps. `underpaint export OUT SITE --prompts 12` draws them.</p>;
  const found = drawn.filter((each) => each.text.toLowerCase().includes(filter.toLowerCase()));
  const folder = `data/maps/${folderOf(prompt.index)}/`;
  const ready = maps?.index === prompt.index ? maps.maps : null;
  return (
    <>
      <h1>Explorer</h1>
      <label>Filter prompts <input type="search" value={filter} onInput={(event) => setFilter(event.currentTarget.value)} /></label>
      <ul class="thumbs">
        {found.map((each) => (
          <li key={each.index}>
            <button aria-pressed={each.index === prompt.index} onClick={() => change({ prompt: String(each.index) })} title={each.text.slice(0, 200)}>
              <img src={pictureOf(each.index)} width="64" height="64" alt={each.text.slice(0, 120)} />
            </button>
          </li>
        ))}
      </ul>
      <p class="prompt" tabIndex={0} dir="auto">{prompt.text}</p>
      <div class="controls">
        <button onClick={() => setPlaying(!playing)}>{playing ? "Stop" : "Play"}</button>
        <label>Step {step} of {steps} <input type="range" min="1" max={steps} value={step} onInput={(event) => go(Number(event.currentTarget.value))} /></label>
        <label>Layer <select value={layer} onChange={(event) => change({ layer: event.currentTarget.value })}>
          <option value="">best of each property</option>
          {run.layers.map((each) => <option key={each.name} value={each.name}>{each.name}</option>)}
        </select></label>
      </div>
      {ready && <Panels run={run} prompt={prompt} maps={ready} folder={folder} step={step - 1} layer={layer} />}
    </>
  );
}

function Panels(props: { run: Run; prompt: Prompt; maps: Maps; folder: string; step: number; layer: string }) {
  const { run, prompt, maps, folder, step } = props;
  const side = maps.pictures.side;
  const picture = (row: number): Tile => ({ sheet: folder + maps.pictures.file, left: step * side, top: row * side, width: side, height: side });
  return (
    <div class="grid">
      <Panel title="noisy picture"><TileView tile={picture(0)} colours="none" label={`Decoded noisy picture at step ${step + 1}`} /></Panel>
      <Panel title="estimate"><TileView tile={picture(1)} colours="none" label={`Estimate of the final picture at step ${step + 1}`} /></Panel>
      <Panel title="final picture"><img class="tile" src={pictureOf(prompt.index)} alt={prompt.text.slice(0, 120)} /></Panel>
      <span />
      {Object.entries(maps.maps).flatMap(([name, sheet]) => {
        const property = run.summary.properties[name]!;
        const layer = props.layer || property.best_layer;
        const colours = coloursOf(name);
        const metric = METRICS[property.metric] ?? property.metric;
        const tile = (row: number, at: number): Tile => ({ sheet: folder + sheet.file, left: at * sheet.side, top: row * sheet.side, width: sheet.side, height: sheet.side });
        const score = (source: string) => fixed(prompt.scores[name]?.[source]?.[step]);
        return [
          <Panel title={`${name}: probe at ${layer}`} note={`${metric} ${fixed(maps.scores[name]?.[layer]?.[step])}`}><TileView tile={probeTile(maps, folder, name, layer, step)} colours={colours} label={`${name} read by the probe`} /></Panel>,
          <Panel title={`${name}: noisy picture`} note={`${metric} ${score("image")}`}><TileView tile={tile(0, step)} colours={colours} label={`${name} the labeler sees in the noisy picture`} /></Panel>,
          <Panel title={`${name}: estimate`} note={`${metric} ${score("estimate")}`}><TileView tile={tile(1, step)} colours={colours} label={`${name} the labeler sees in the estimate`} /></Panel>,
          <Panel title={`${name}: label`} note="of the final picture"><TileView tile={tile(2, 0)} colours={colours} label={`${name} of the final picture`} /></Panel>,
        ];
      })}
    </div>
  );
}

function Panel(props: { title: string; note?: string; children: preact.ComponentChildren }) {
  return <figure><figcaption>{props.title}<span>{props.note ?? ""}</span></figcaption>{props.children}</figure>;
}
