import { useEffect, useRef, useState } from "preact/hooks";

import { askEarly, folderOf, type Maps, METRICS, pictureOf, type Prompt, type Run, scoreOf } from "./data";
import { probeTile } from "./explorer";
import { noiseAt } from "./findings";
import { Player } from "./player";
import { useJson } from "./reading";
import { type Colours, coloursOf, sheetAt, type Span, type Tile, TileView } from "./tiles";

/** All steps of one layer, so that every step of a row has the same colours. */
export function rowOf(tile: Tile, steps: number): Span {
  return { left: 0, top: tile.top, width: tile.width * steps, height: tile.height };
}

/** Whether colours span what a row holds: a mask has its threshold, and a colour is what it is. */
export const isScaled = (colours: Colours): boolean => colours === "turbo" || colours === "viridis";

/** Ask for what the Story opens with: names of sheets are known before the list that says how they are cut. */
export function askFirst(run: Run): void {
  if (run.first === undefined) return;
  const folder = `data/maps/${folderOf(run.first)}/`;
  void askEarly(`${folder}maps.json`);
  for (const sheet of ["pictures", `${Object.keys(run.summary.properties)[0]}-probe`]) sheetAt(`${folder}${sheet}.webp`).catch(() => undefined);
}

const FIRST_TILES = 2;
const FRAME_MS = 100; // to put them on the screen, before more is drawn

/** A picture that the reader takes through its steps: what one sees, what the probe reads, what it became.
 *  `onSeen` is called when it can be seen, or cannot be had: what is further down may be fetched. */
export function Touch({ run, prompt, onSeen }: { run: Run; prompt: Prompt; onSeen: () => void }) {
  const steps = run.summary.steps;
  const [step, setStep] = useState(Math.min(3, steps));
  const [chosen, setChosen] = useState("");
  const folder = `data/maps/${folderOf(prompt.index)}/`;
  const { found: maps, failed } = useJson<Maps>(`${folder}maps.json`);
  useEffect(() => void (failed && onSeen()), [failed]);
  const settled = useRef(0);
  const settle = () => {
    settled.current += 1;
    if (settled.current === FIRST_TILES) setTimeout(onSeen, FRAME_MS);
  };
  if (failed) return <p role="alert">{failed}</p>;
  if (!maps) return <div class="touch waiting" />;
  const names = Object.keys(maps.maps);
  const name = names.includes(chosen) ? chosen : names[0]!;
  const property = run.summary.properties[name]!;
  const side = maps.pictures.side;
  const noisy: Tile = { sheet: folder + maps.pictures.file, left: (step - 1) * side, top: 0, width: side, height: side };
  const read = probeTile(maps, folder, name, property.best_layer, step - 1);
  const colours = coloursOf(name, maps.maps[name]!.targets);
  const score = (source: string) => scoreOf(prompt.scores[name]?.[source]?.[step - 1], property.sources[source], step);
  const metric = METRICS[property.metric] ?? property.metric;
  const noise = noiseAt(run, step);
  return (
    <figure class="touch">
      <div class="controls sticky">
        <Player label={`Step ${step} of ${steps}`} places={steps} place={step - 1} onPlace={(at) => setStep(at + 1)} />
        <span class="row" role="group" aria-label="What the probe reads">
          {names.map((each) => <button key={each} aria-pressed={each === name} onClick={() => setChosen(each)}>{each}</button>)}
        </span>
      </div>
      <div class="grid three">
        <figure><figcaption>you see</figcaption><TileView tile={noisy} colours="none" label={`The noisy picture at step ${step}`} onSettled={settle} /></figure>
        <figure><figcaption>the probe reads: {name}</figcaption><TileView tile={read} colours={colours} span={isScaled(colours) ? rowOf(read, steps) : undefined} label={`${name} read by the probe at step ${step}`} onSettled={settle} /></figure>
        <figure><figcaption>the final picture</figcaption><img class="tile" src={pictureOf(prompt.index)} alt={prompt.text.slice(0, 120)} /></figure>
      </div>
      <figcaption class="said" aria-live="polite">
        <strong>Step {step}{noise && `: ${noise}`}.</strong> Against the final picture, the probe's {name} scores {metric} {score("probe")}.
        The labeler scores {score("image")} on the noisy picture and {score("estimate")} on the predicted picture.
      </figcaption>
    </figure>
  );
}
