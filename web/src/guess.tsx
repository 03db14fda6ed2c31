import { useEffect, useState } from "preact/hooks";

import { folderOf, type Maps, pictureOf, type Prompt, type Run } from "./data";
import { probeTile } from "./explorer";
import { useJson } from "./reading";
import { type Tile, tilePixels, TileView } from "./tiles";

const STEP = 2;
const NUDGE = 0.05;

export type Spot = { x: number; y: number };
type Seen = { label: (spot: Spot) => boolean; probe: Spot | null; estimate: Spot | null };

/** The middle of what is brighter than half, in shares of the width and height; null where nothing is. */
export function middleOf(pixels: { data: ArrayLike<number>; width: number; height: number }): Spot | null {
  let count = 0, x = 0, y = 0;
  for (let at = 0; at < pixels.width * pixels.height; at++) {
    if (pixels.data[at * 4]! <= 127) continue;
    count += 1;
    x += (at % pixels.width) + 0.5;
    y += Math.floor(at / pixels.width) + 0.5;
  }
  return count ? { x: x / count / pixels.width, y: y / count / pixels.height } : null;
}

/** Whether a spot lies on what is brighter than half. */
export function isOn(pixels: { data: ArrayLike<number>; width: number; height: number }, spot: Spot): boolean {
  const col = Math.min(Math.floor(spot.x * pixels.width), pixels.width - 1);
  const row = Math.min(Math.floor(spot.y * pixels.height), pixels.height - 1);
  return pixels.data[(row * pixels.width + col) * 4]! > 127;
}

/** Where will the object be? The reader guesses from the noise, then sees what probe and prediction said. */
export function Guess({ run, prompts, waits }: { run: Run; prompts: Prompt[]; waits: boolean }) {
  const [turn, setTurn] = useState(0);
  const [spot, setSpot] = useState<Spot>({ x: 0.5, y: 0.5 });
  const [isOpen, setOpen] = useState(false);
  const [tally, setTally] = useState({ rounds: 0, you: 0, probe: 0, estimate: 0 });
  const [seen, setSeen] = useState<Seen | null>(null);
  const prompt = prompts[turn % prompts.length]!;
  const step = Math.min(STEP, run.summary.steps);
  const folder = `data/maps/${folderOf(prompt.index)}/`;
  const { found: maps, failed } = useJson<Maps>(waits ? null : `${folder}maps.json`);
  const mask = maps?.maps.saliency;
  useEffect(() => {
    if (!maps || !mask) return;
    let current = true;
    const at = (row: number, col: number): Tile => ({ sheet: folder + mask.file, left: col * mask.side, top: row * mask.side, width: mask.side, height: mask.side });
    const layer = run.summary.properties.saliency!.best_layer;
    Promise.all([tilePixels(at(2, 0)), tilePixels(probeTile(maps, folder, "saliency", layer, step - 1)), tilePixels(at(1, step - 1))]).then(
      ([label, probe, estimate]) => current && setSeen({ label: (where) => isOn(label, where), probe: middleOf(probe), estimate: middleOf(estimate) }),
      () => undefined, // the tile says that it could not be loaded
    );
    return () => {
      current = false;
      setSeen(null);
    };
  }, [maps]);
  if (failed) return <p role="alert">{failed}</p>;
  if (!maps || !mask) return <div class="guess waiting" />;

  const hit = (where: Spot | null) => Boolean(where && seen?.label(where));
  const reveal = (where: Spot) => {
    if (isOpen || !seen) return;
    setSpot(where);
    setOpen(true);
    setTally((before) => ({
      rounds: before.rounds + 1,
      you: before.you + Number(hit(where)),
      probe: before.probe + Number(hit(seen.probe)),
      estimate: before.estimate + Number(hit(seen.estimate)),
    }));
  };
  const click = (event: MouseEvent) => {
    const box = (event.currentTarget as HTMLElement).getBoundingClientRect();
    reveal({ x: (event.clientX - box.left) / box.width, y: (event.clientY - box.top) / box.height });
  };
  const press = (event: KeyboardEvent) => {
    const by: Record<string, [number, number]> = { ArrowLeft: [-NUDGE, 0], ArrowRight: [NUDGE, 0], ArrowUp: [0, -NUDGE], ArrowDown: [0, NUDGE] };
    const inside = (value: number) => Math.min(Math.max(value, 0), 0.999);
    const move = by[event.key];
    if (move && !isOpen) setSpot({ x: inside(spot.x + move[0]), y: inside(spot.y + move[1]) });
    else if (event.key === "Enter" || event.key === " ") reveal(spot);
    else return;
    event.preventDefault();
  };
  const side = maps.pictures.side;
  const noisy: Tile = { sheet: folder + maps.pictures.file, left: (step - 1) * side, top: 0, width: side, height: side };
  const named = (is: boolean) => (is ? "on the object" : "beside it");
  return (
    <div class="guess">
      <p class="prompt" dir="auto">{prompt.text.slice(0, 200)}</p>
      <div class="guessing">
        <div class="board" role="application" tabIndex={0} aria-label={`The noisy picture at step ${step}. Click where the object will be, or move the cross with the arrow keys and press Enter.`} onClick={click} onKeyDown={press}>
          {isOpen ? <img class="tile" src={pictureOf(prompt.index)} alt="The final picture" /> : <TileView tile={noisy} colours="none" label={`The noisy picture at step ${step}`} />}
          <Mark spot={spot} kind="you" />
          {isOpen && seen?.probe && <Mark spot={seen.probe} kind="probe" />}
          {isOpen && seen?.estimate && <Mark spot={seen.estimate} kind="estimate" />}
        </div>
        <div aria-live="polite">
          {!isOpen && <p>This is the picture at step {step} of {run.summary.steps}. <strong>Where will the object be?</strong> Click.</p>}
          {isOpen && (
            <>
              <ul class="marks">
                <li class="you">You: {named(hit(spot))}</li>
                <li class="probe">Probe at step {step}: {seen?.probe ? named(hit(seen.probe)) : "sees no object"}</li>
                <li class="estimate">Labeler on the predicted picture: {seen?.estimate ? named(hit(seen.estimate)) : "sees no object"}</li>
              </ul>
              <p>After {tally.rounds} {tally.rounds === 1 ? "picture" : "pictures"}: you {tally.you}, probe {tally.probe}, predicted picture {tally.estimate}.</p>
              <button onClick={() => { setTurn(turn + 1); setOpen(false); setSpot({ x: 0.5, y: 0.5 }); }}>Next picture</button>
            </>
          )}
        </div>
      </div>
    </div>
  );
}

function Mark({ spot, kind }: { spot: Spot; kind: string }) {
  return <i class={`mark ${kind}`} style={{ left: `${spot.x * 100}%`, top: `${spot.y * 100}%` }} aria-hidden="true" />;
}
