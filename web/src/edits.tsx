import { useEffect, useState } from "preact/hooks";

import { change } from "./address";
import { isDark, Lines, type Line, paint } from "./charts";
import { type EditedPicture, type EditSummary, fixed, folderOf, type Frames, type Run } from "./data";
import { outline } from "./outline";
import { Player } from "./player";
import { useJson } from "./reading";
import { Thumbs } from "./thumbs";
import { sheetAt, type Tile, TileView } from "./tiles";

const CONTROLS: Record<string, string> = {
  none: "along the acting direction (the edit itself)",
  random: "control: as far, in a random direction",
  weight: "control: along the direction that reads",
  adam: "the literature's recipe (Adam)",
  shaped: "control: as far, in a random direction shaped like the activations",
  other: "control: towards another picture's target",
  late: "control: in the last steps alone",
  roll: "baseline: the starting noise rolled to the target",
  patch: "baseline: patches of the latent swapped",
  paste: "baseline: pixels pasted, noised and drawn on",
};

export const titleOf = (edit: Frames): string =>
  `${edit.target}${edit.prompts === "test" ? "" : `, ${edit.prompts}`} — ${CONTROLS[edit.control] ?? edit.control}, steps ${edit.first_step + 1}–${edit.last_step + 1}, ${edit.layers}${edit.seen_by === "probes" ? ", seen by probes" : ""}`;

/** Pictures before and after an edit, at every strength that was kept. */
export function Edits({ run, options }: { run: Run; options: Record<string, string> }) {
  const { found, failed } = useJson<Frames[]>(run.has?.edits ? "data/edits/index.json" : null);
  return (
    <>
      <h1>Edits</h1>
      {!run.has?.edits && <p>No edit of this run was kept. <code>underpaint edit OUT</code> makes some and shows them in OUT/site; a site elsewhere is exported again.</p>}
      {failed && <p role="alert">{failed}</p>}
      {run.has?.edits && !failed && (
        <p>
          While the picture is made, activations are changed so that the probe reads the object elsewhere. The orange outline is that
          target. At strength 1 the probe reads exactly the target; at strength 2 the change is twice as large.
        </p>
      )}
      {found && <Chosen edits={found} summary={run.summary.edits ?? []} options={options} />}
      {run.summary.edits && run.summary.edits.length > 0 && <Trials edits={run.summary.edits} />}
    </>
  );
}

function Chosen({ edits, summary, options }: { edits: Frames[]; summary: EditSummary[]; options: Record<string, string> }) {
  const preferred = Math.max(edits.findIndex((each) => each.control === "none"), 0);
  const edit = edits[Number(options.edit ?? preferred)] ?? edits[0]!;
  const picture = edit.pictures.find((each) => String(each.index) === options.prompt) ?? edit.pictures[0]!;
  const strengths = [0, ...edit.strengths];
  const whole = strengths.includes(1) ? strengths.indexOf(1) : strengths.length - 1;
  const wanted = strengths.indexOf(Number(options.strength));
  const place = options.strength !== undefined && wanted >= 0 ? wanted : whole;
  const strength = strengths[place]!;
  return (
    <>
      {edits.length > 1 && (
        <label class="wide">Edit <select value={String(edits.indexOf(edit))} onChange={(event) => change({ edit: event.currentTarget.value })}>
          {edits.map((each, at) => <option key={each.folder} value={String(at)}>{titleOf(each)}</option>)}
        </select></label>
      )}
      {edits.length === 1 && <p class="soft">{titleOf(edit)}</p>}
      <Verdict edit={edit} summary={summary} />
      <Thumbs choices={edit.pictures.map(({ index, text }) => ({ index, text, sheet: `data/edits/${edit.folder}/${folderOf(index)}.webp`, place: 0 }))} chosen={picture.index} onChoose={(index) => change({ prompt: String(index) })} />
      <p class="prompt" tabIndex={0} dir="auto">{picture.text}</p>
      <div class="controls">
        <Player label={`Strength ${strength}`} text={`strength ${strength}`} places={strengths.length} place={place} pause={700} onPlace={(at) => change({ strength: String(strengths[at]) })} />
      </div>
      <Frame edit={edit} picture={picture} place={place} />
      <Response edit={edit} picture={picture} strength={strength} />
    </>
  );
}

const APART = new Set(["control", "images", "left_out", "time", "folder"]);

/** Whether two edits were asked for alike but for the control: all settings that both name are the same. */
const isSame = (one: object, other: object): boolean =>
  Object.entries(one).every(([name, value]) => APART.has(name) || typeof value === "object" || !(name in other) || (other as Record<string, unknown>)[name] === value);

/** The summary of the trial that frames are of, or of the same trial with another control. */
export const trialOf = (edit: Frames, summary: EditSummary[], control: string): EditSummary | undefined =>
  summary.find((each) => each.control === control && each.steps[0] === edit.first_step + 1 && each.steps[1] === edit.last_step + 1 && isSame(edit, each));

/** In how many pictures the object went where it should, and in how many with the control. */
function Verdict({ edit, summary }: { edit: Frames; summary: EditSummary[] }) {
  const own = trialOf(edit, summary, edit.control);
  const random = edit.control === "random" ? undefined : trialOf(edit, summary, "random");
  if (own?.success?.mean == null) return null;
  return (
    <p class="verdict">
      At strength {edit.strength}, the object is at the target and has left its old place in <strong>{share(own.success)}</strong> of {own.images - own.success.undefined} pictures.
      {random?.success?.mean != null && <> Control, activations changed as much in a random direction: <strong>{share(random.success)}</strong>.</>}
      {" "}Brackets are 95% intervals over prompts.
    </p>
  );
}

/** Of the first edit with a random control: the success of both. */
export function Moved({ edits }: { edits: EditSummary[] }) {
  const own = edits.find((each) => each.control === "none" && each.above_random && each.success?.mean != null);
  const random = own && edits.find((each) => each.control === "random" && isSame(own, each) && each.steps.join() === own.steps.join());
  if (!own || random?.success?.mean == null) return null;
  return <>It is then where it should be in {share(own.success)} of {own.images - own.success!.undefined} pictures; with a random edit as large, in {share(random.success)}. </>;
}

const percent = (value: number | null) => (value === null ? "–" : `${Math.round(100 * value)}%`);
const share = (found: EditSummary["success"]): string =>
  found?.mean == null ? "–" : found.low === null ? percent(found.mean) : `${percent(found.mean)} [${percent(found.low)},\u00a0${percent(found.high)}]`;

function Frame({ edit, picture, place }: { edit: Frames; picture: EditedPicture; place: number }) {
  const [width, height] = picture.size;
  const stem = `data/edits/${edit.folder}/${folderOf(picture.index)}`;
  const tile = (sheet: string, at: number): Tile => ({ sheet: `${stem}${sheet}.webp`, left: at * width, top: 0, width, height });
  const path = useOutline(`${stem}-mask.webp`, width, height);
  const score = (values: (number | null)[]) => (place === 0 ? null : values[place - 1]);
  const target = place === 0 ? picture.dice_unedited[0] : score(picture.dice_target);
  const psnr = score(picture.background_psnr);
  const Outline = () => <svg class="outline" viewBox={`0 0 ${width} ${height}`} aria-hidden="true"><path d={path} /></svg>;
  return (
    <div class="grid three">
      <figure><figcaption>before</figcaption><div class="stack"><TileView tile={tile("", 0)} colours="none" label="Before the edit" /><Outline /></div></figure>
      <figure>
        <figcaption>after<span>Dice to the target {fixed(target)}</span></figcaption>
        <div class="stack"><TileView tile={tile("", place)} colours="none" label={place === 0 ? "Strength 0: no edit" : `After the edit at strength ${edit.strengths[place - 1]}`} /><Outline /></div>
      </figure>
      <figure>
        <figcaption>{place === 0 ? "target" : "where the object is seen now"}<span>{psnr == null ? "" : `background ${psnr.toFixed(1)} dB`}</span></figcaption>
        <div class="stack"><TileView tile={tile("-mask", place)} colours="mask" label={place === 0 ? "The target mask" : "Mask of the labeler after the edit"} /><Outline /></div>
      </figure>
    </div>
  );
}

/** Read the outline of the first tile of a sheet of masks. */
function useOutline(sheet: string, width: number, height: number): string {
  const [path, setPath] = useState("");
  useEffect(() => {
    let current = true;
    setPath("");
    void sheetAt(sheet).then((image) => {
      const canvas = document.createElement("canvas");
      canvas.width = width;
      canvas.height = height;
      const context = canvas.getContext("2d", { willReadFrequently: true })!;
      context.drawImage(image, 0, 0, width, height, 0, 0, width, height);
      const pixels = context.getImageData(0, 0, width, height).data;
      if (current) setPath(outline((row, col) => pixels[(row * width + col) * 4]! > 127, height, width));
    }, () => undefined); // the tile beside it says that the sheet is missing
    return () => {
      current = false;
    };
  }, [sheet, width, height]);
  return path;
}

/** How far this one picture follows, over strength. */
function Response({ edit, picture, strength }: { edit: Frames; picture: EditedPicture; strength: number }) {
  const strengths = [0, ...edit.strengths];
  const points = (values: (number | null)[]) => values.map((mean) => ({ mean, low: null, high: null, undefined: 0 }));
  const lines: Line[] = [
    { name: "to the target", colour: () => paint("probe"), points: points([picture.dice_unedited[0] ?? null, ...picture.dice_target]), isBold: true },
    { name: "to the old mask", colour: () => (isDark() ? "#a9a9a9" : "#6e6e6e"), points: points([1, ...picture.dice_old]) },
  ];
  return <Lines lines={lines} steps={strengths.length} at={strengths} axis="strength of the edit" title="Dice" label="Dice over strength, of this picture" step={strength} height={240} range={[0, 1]} />;
}

function Trials({ edits }: { edits: EditSummary[] }) {
  const say = (found: EditSummary["gain"] | undefined) => (found?.mean == null ? "–" : found.low == null ? fixed(found.mean) : `${fixed(found.mean)} [${fixed(found.low)},\u00a0${fixed(found.high)}]`);
  return (
    <>
      <h2>All trials of this run</h2>
      <p>Each row is one edit of many pictures. Success is the share of pictures whose object is at the target and has left its old place. Gain is Dice to the target above that of the unedited picture; brackets are 95% intervals over prompts.</p>
      <div class="scroll" tabIndex={0}>
        <table>
          <thead><tr><th scope="col">edit</th><th scope="col">direction</th><th scope="col">strength</th><th scope="col">steps</th><th scope="col">pictures</th><th scope="col">success</th><th scope="col">median Dice to target</th><th scope="col">mean gain</th><th scope="col">above random</th><th scope="col">background</th></tr></thead>
          <tbody>
            {edits.map((each, at) => (
              <tr key={at}>
                <th scope="row">{each.target}</th><td>{each.control === "none" ? "acting" : each.control}</td><td>{each.strength}</td><td>{each.steps[0]}–{each.steps[1]}</td>
                <td>{each.images}{each.left_out ? ` (${each.left_out} left out)` : ""}</td><td>{share(each.success)}</td><td>{fixed(each.dice_target.median)}</td><td>{say(each.gain)}</td><td>{say(each.above_random)}</td>
                <td>{each.background_psnr.median == null ? "–" : `${each.background_psnr.median.toFixed(1)} dB`}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </>
  );
}
