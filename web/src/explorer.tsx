import { stepOf } from "./address";
import { fixed, folderOf, type Maps, METRICS, pictureOf, type Prompt, type Run, scoreOf } from "./data";
import { usePlace } from "./place";
import { Player } from "./player";
import { useJson } from "./reading";
import { choiceOf, Thumbs } from "./thumbs";
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
  const { change } = usePlace();
  const drawn = prompts.filter((each) => each.has_maps);
  const steps = run.summary.steps;
  const prompt = drawn.find((each) => String(each.index) === options.prompt) ?? drawn[0];
  const step = stepOf(options.step, steps);
  const layer = run.layers.find((each) => each.name === options.layer)?.name ?? "";
  const folder = prompt ? `data/maps/${folderOf(prompt.index)}/` : "";
  const { found: maps, failed } = useJson<Maps>(prompt ? `${folder}maps.json` : null);

  if (!prompt) return <p>This site was exported without maps. `underpaint export OUT SITE --prompts 12` draws them.</p>;
  return (
    <>
      <h1>Explorer</h1>
      <Thumbs choices={drawn.map(choiceOf)} chosen={prompt.index} onChoose={(index) => change({ prompt: String(index) })} />
      <p class="prompt" tabIndex={0} dir="auto">{prompt.text}</p>
      <div class="controls sticky">
        <Player label={`Step ${step} of ${steps}`} places={steps} place={step - 1} onPlace={(at) => change({ step: String(at + 1) })} />
        <label>Layer <select value={layer} onChange={(event) => change({ layer: event.currentTarget.value })}>
          <option value="">best of each property</option>
          {run.layers.map((each) => <option key={each.name} value={each.name}>{each.name}</option>)}
        </select></label>
      </div>
      {failed && <p role="alert">{failed}</p>}
      {maps ? <Panels run={run} prompt={prompt} maps={maps} folder={folder} step={step - 1} layer={layer} /> : !failed && <p class="waiting">Reading the maps of this picture…</p>}
    </>
  );
}

function Panels(props: { run: Run; prompt: Prompt; maps: Maps; folder: string; step: number; layer: string }) {
  const { run, prompt, maps, folder, step } = props;
  const { locate } = usePlace();
  const side = maps.pictures.side;
  const picture = (row: number): Tile => ({ sheet: folder + maps.pictures.file, left: step * side, top: row * side, width: side, height: side });
  return (
    <div class="grid">
      <Panel title="noisy picture"><TileView tile={picture(0)} colours="none" label={`Decoded noisy picture at step ${step + 1}`} /></Panel>
      <Panel title="predicted picture"><TileView tile={picture(1)} colours="none" label={`Predicted clean picture at step ${step + 1}`} /></Panel>
      <Panel title="final picture"><img class="tile" src={locate(pictureOf(prompt.index))} alt={prompt.text.slice(0, 120)} /></Panel>
      <Legend maps={maps} />
      {Object.entries(maps.maps).flatMap(([name, sheet]) => {
        const property = run.summary.properties[name]!;
        const layer = props.layer || property.best_layer;
        const colours = coloursOf(name, sheet.targets);
        const metric = METRICS[property.metric] ?? property.metric;
        const tile = (row: number, at: number): Tile => ({ sheet: folder + sheet.file, left: at * sheet.side, top: row * sheet.side, width: sheet.side, height: sheet.side });
        const score = (source: string) => scoreOf(prompt.scores[name]?.[source]?.[step], property.sources[source], step + 1);
        return [
          <Panel title={`${name}: probe at ${layer}`} note={`${metric} ${fixed(maps.scores[name]?.[layer]?.[step])}`}><TileView tile={probeTile(maps, folder, name, layer, step)} colours={colours} label={`${name} read by the probe`} /></Panel>,
          <Panel title={`${name}: noisy picture`} note={`${metric} ${score("image")}`}><TileView tile={tile(0, step)} colours={colours} label={`${name} the labeler sees in the noisy picture`} /></Panel>,
          <Panel title={`${name}: predicted picture`} note={`${metric} ${score("estimate")}`}><TileView tile={tile(1, step)} colours={colours} label={`${name} the labeler sees in the predicted picture`} /></Panel>,
          <Panel title={`${name}: label`} note="of the final picture"><TileView tile={tile(2, 0)} colours={colours} label={`${name} of the final picture`} /></Panel>,
        ];
      })}
    </div>
  );
}

/** Say what the colours mean, in the place that the row of pictures leaves. */
function Legend({ maps }: { maps: Maps }) {
  const words: Record<string, [string, string]> = { saliency: ["background", "object"], depth: ["far", "near"], shading: ["dark", "bright"] };
  return (
    <dl class="legend">
      {Object.entries(maps.maps).map(([name, { targets }]) => (
        <div key={name}>
          <dt>{name}</dt>
          {targets === 3
            ? <dd class="whole">{name === "albedo" ? "the surface's own colour" : "a direction as red, green, blue"}</dd>
            : <dd><span>{words[name]?.[0] ?? "low"}</span><i class={`ramp ${coloursOf(name)}`} /><span>{words[name]?.[1] ?? "high"}</span></dd>}
        </div>
      ))}
    </dl>
  );
}

function Panel(props: { title: string; note?: string; children: preact.ComponentChildren }) {
  return <figure><figcaption>{props.title}<span>{props.note ?? ""}</span></figcaption>{props.children}</figure>;
}
