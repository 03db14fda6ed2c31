import { fixed, folderOf, type Maps, type Prompt, type Run } from "./data";
import { probeTile } from "./explorer";
import { useJson } from "./reading";
import { type Colours, coloursOf, type Tile, TileView } from "./tiles";
import { isScaled, rowOf } from "./touch";

const COLUMNS = 6;

/** Choose the steps to show: the first ones, where things happen, and the last. */
export function stepsShown(steps: number, columns: number = COLUMNS): number[] {
  if (steps <= columns) return Array.from({ length: steps }, (_, at) => at + 1);
  // Even on a scale of ratios, so that the first steps are all there.
  const found = new Set([1]);
  for (let at = 1; at < columns; at++) found.add(Math.max(Math.max(...found) + 1, Math.round(steps ** (at / (columns - 1)))));
  return [...found].filter((step) => step <= steps);
}

/** One picture as it comes into being: what an eye sees, and what the probes read below it. */
export function Unfolding({ run, prompt }: { run: Run; prompt: Prompt }) {
  const names = Object.keys(run.summary.properties);
  const folder = `data/maps/${folderOf(prompt.index)}/`;
  const { found: maps } = useJson<Maps>(`${folder}maps.json`);
  const steps = stepsShown(run.summary.steps);
  const shown = names.filter((name) => !maps || maps.maps[name]);
  const side = maps?.pictures.side ?? 1;
  return (
    <figure class="unfolding">
      <div class="unfolded" style={{ gridTemplateColumns: `repeat(${steps.length}, minmax(0, 1fr))` }}>
        {steps.map((step) => <span key={step} class="soft">step {step}</span>)}
        <b>what an eye sees</b>
        {steps.map((step) => {
          const tile: Tile = { sheet: folder + (maps?.pictures.file ?? ""), left: (step - 1) * side, top: 0, width: side, height: side };
          return <Cell key={step} steps={run.summary.steps} tile={maps ? tile : null} colours="none" label={`Decoded noisy picture at step ${step}`} />;
        })}
        {shown.map((name) => [
          <b key={name}>{name}, read by a probe at {run.summary.properties[name]!.best_layer}</b>,
          ...steps.map((step) => (
            <Cell key={name + step} steps={run.summary.steps} tile={maps ? probeTile(maps, folder, name, run.summary.properties[name]!.best_layer, step - 1) : null} colours={coloursOf(name, maps?.maps[name]?.targets)} label={`${name} read by the probe at step ${step}, score ${fixed(prompt.scores[name]?.probe?.[step - 1])}`} />
          )),
        ])}
      </div>
      <figcaption>“{prompt.text.slice(0, 160)}”: of the pictures drawn, the one in the middle by score. Each row has its own colours. <a href={`#/explorer?prompt=${prompt.index}`}>Explore it</a></figcaption>
    </figure>
  );
}

function Cell({ tile, colours, label, steps }: { tile: Tile | null; colours: Colours; label: string; steps: number }) {
  return tile ? <TileView tile={tile} colours={colours} span={isScaled(colours) ? rowOf(tile, steps) : undefined} label={label} /> : <div class="tile" />;
}
