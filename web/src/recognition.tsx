import { change, stepOf } from "./address";
import { type Line, Lines, ordered, paint } from "./charts";
import { type Classify, fixed, folderOf, type Maps, pictureOf, type Point, type Prompt, type Recognised, type Run } from "./data";
import { Player } from "./player";
import { useJson } from "./reading";
import { choiceOf, Thumbs } from "./thumbs";
import { type Tile, TileView } from "./tiles";

const NAMES: Record<string, string> = {
  image: "network, noisy",
  estimate: "network, estimate",
  conditional: "probe, conditional",
  unconditional: "probe, unconditional",
  blank: "probe, empty prompt",
};
const SEES: Record<string, string> = {
  image: "the class network on the decoded noisy picture",
  estimate: "the class network on the decoded estimate of the final picture",
  conditional: "a probe on pooled activations of the half that is told the prompt: it may read the prompt",
  unconditional: "the same on the half that is told no prompt",
  blank: "the same on pictures made from an empty prompt; the true class is what the network sees at the end",
};

/** From which step on a picture can be named, and by whom. */
export function Recognition({ run, prompts, options }: { run: Run; prompts: Prompt[]; options: Record<string, string> }) {
  const classify = run.summary.classify;
  const { found, failed } = useJson<Recognised>(run.has?.recognition ? "data/recognition.json" : null);
  return (
    <>
      <h1>Recognition</h1>
      {!classify && <p>This run was not asked what its pictures show. <code>underpaint classify OUT</code> asks, <code>underpaint export OUT SITE</code> shows it here.</p>}
      {classify && <Overall classify={classify} steps={run.summary.steps} />}
      {classify && !run.has?.recognition && <p>What each picture was taken for was not kept. <code>underpaint classify OUT</code> again keeps it.</p>}
      {failed && <p role="alert">{failed}</p>}
      {found && <OnePicture run={run} prompts={prompts} found={found} options={options} />}
    </>
  );
}

function Overall({ classify, steps }: { classify: Classify; steps: number }) {
  const names = Object.keys(classify.sources);
  const at = Math.min(3, steps) - 1;
  const say = (point: Point | undefined) => `${fixed(point?.mean)} [${fixed(point?.low)}, ${fixed(point?.high)}]`;
  const lines: Line[] = names.map((name) => ({ name: NAMES[name] ?? name, colour: () => paint(name), points: classify.sources[name]!.by_step, isBold: name === "conditional" }));
  const levels = names.slice(0, 1).map((name) => ({ value: classify.sources[name]!.chance.mean ?? 0, colour: () => paint("shuffled") }));
  return (
    <>
      <p>
        Which of {classify.classes.length} classes will the picture show? At step {at + 1} of {steps} the class network names{" "}
        <strong>{say(classify.sources.image?.by_step[at])}</strong> of test pictures rightly from what is decoded of the noise, and{" "}
        <strong>{say(classify.sources.estimate?.by_step[at])}</strong> from the model's estimate of the final picture. A linear probe names{" "}
        {classify.sources.unconditional && <><strong>{say(classify.sources.unconditional.by_step[at])}</strong> from the half that is told no prompt, and </>}
        {say(classify.sources.conditional?.by_step[at])} from the half that is told the prompt, where it may read the prompt and not the picture.
      </p>
      <Lines lines={lines} levels={levels} steps={steps} title="true class is named first" label="Share of test pictures named rightly, over steps" range={[0, 1]} />
      <p class="soft">Dotted: chance. Bands are 95% intervals over prompts. {classify.left_out > 0 && `${classify.left_out} prompts name no class, or several, and are left out.`}</p>
      <details>
        <summary>What each source sees, and from when it is right to the end</summary>
        <div class="scroll" tabIndex={0}>
          <table>
            <thead><tr><th scope="col">source</th><th scope="col">what it sees</th><th scope="col">layer</th><th scope="col">step {at + 1}</th><th scope="col">last step</th><th scope="col">stays right from (median)</th></tr></thead>
            <tbody>
              {names.map((name) => {
                const each = classify.sources[name]!;
                return <tr key={name}><th scope="row">{NAMES[name] ?? name}</th><td class="sees">{SEES[name] ?? ""}</td><td>{each.layer ?? "–"}</td><td>{say(each.by_step[at])}</td><td>{say(each.final)}</td><td>{each.stays.median == null ? "–" : `step ${each.stays.median}`}</td></tr>;
              })}
            </tbody>
          </table>
        </div>
      </details>
    </>
  );
}

function OnePicture({ run, prompts, found, options }: { run: Run; prompts: Prompt[]; found: Recognised; options: Record<string, string> }) {
  const known = prompts.filter((each) => found.pictures[String(each.index)]).sort((a, b) => Number(b.has_maps) - Number(a.has_maps));
  const prompt = known.find((each) => String(each.index) === options.prompt) ?? known[0];
  const folder = prompt ? `data/maps/${folderOf(prompt.index)}/` : "";
  const { found: maps } = useJson<Maps>(prompt?.has_maps ? `${folder}maps.json` : null);
  const strip = maps ? { maps, folder } : null;
  if (!prompt) return null;
  const picture = found.pictures[String(prompt.index)]!;
  const sources = Object.keys(picture.probabilities);
  const source = options.source && sources.includes(options.source) ? options.source : (sources.at(-1) ?? "");
  const steps = run.summary.steps;
  const step = stepOf(options.step, steps);
  const classes = picture.probabilities[source] ?? [];
  const measured = classes.filter((each) => each.by_step[step - 1] != null);
  const best = measured.sort((a, b) => b.by_step[step - 1]! - a.by_step[step - 1]!)[0];
  const lines: Line[] = classes.map((each, at) => ({ name: each.class, colour: () => ordered(at), points: each.by_step.map((mean) => ({ mean, low: null, high: null, undefined: 0 })), isBold: at === 0 }));
  return (
    <>
      <h2>One picture, step by step</h2>
      <Thumbs choices={known.map(choiceOf)} chosen={prompt.index} onChoose={(index) => change({ prompt: String(index) })} />
      <p class="prompt" tabIndex={0} dir="auto">{prompt.text}</p>
      <div class="controls">
        <Player label={`Step ${step} of ${steps}`} places={steps} place={step - 1} onPlace={(at) => change({ step: String(at + 1) })} />
        <label>Decoded <select value={source} onChange={(event) => change({ source: event.currentTarget.value })}>
          {sources.map((each) => <option key={each} value={each}>{each === "image" ? "noisy picture" : each}</option>)}
        </select></label>
      </div>
      <p aria-live="polite">At step {step} {best ? <>the class network sees <strong>{best.class}</strong> ({fixed(best.by_step[step - 1])})</> : "the class network was not asked: not measured"}.</p>
      {prompt.has_maps && strip ? <Strip {...strip} source={source} steps={steps} step={step} /> : <Still prompt={prompt} hasMaps={prompt.has_maps} />}
      <Lines lines={lines} steps={steps} step={step} title="probability" label={`Class probabilities of this picture, ${source}`} range={[0, 1]} />
      {picture.hits && <Hits hits={picture.hits} steps={steps} step={step} />}
    </>
  );
}

function Strip({ maps, folder, source, steps, step }: { maps: Maps; folder: string; source: string; steps: number; step: number }) {
  const side = maps.pictures.side;
  const tile = (at: number): Tile => ({ sheet: folder + maps.pictures.file, left: at * side, top: source === "image" ? 0 : side, width: side, height: side });
  return (
    <ol class="strip" style={{ gridTemplateColumns: `repeat(${steps}, minmax(0, 112px))` }}>
      {Array.from({ length: steps }, (_, at) => (
        <li key={at} aria-current={at + 1 === step ? "step" : undefined} onClick={() => change({ step: String(at + 1) })}>
          <TileView tile={tile(at)} colours="none" label={`Step ${at + 1}`} />
        </li>
      ))}
    </ol>
  );
}

function Still({ prompt, hasMaps }: { prompt: Prompt; hasMaps: boolean }) {
  if (hasMaps) return <div class="strip waiting" />;
  return (
    <div class="row">
      <img src={pictureOf(prompt.index)} width="96" height="96" alt={prompt.text.slice(0, 120)} />
      <span class="soft">The final picture. <code>underpaint export OUT SITE --prompts 99</code> draws more pictures at every step.</span>
    </div>
  );
}

/** At which steps each source names the true class first. */
function Hits({ hits, steps, step }: { hits: Record<string, (number | null)[]>; steps: number; step: number }) {
  const isPartial = Object.values(hits).some((each) => each.some((hit) => hit == null));
  return (
    <div class="scroll" tabIndex={0}>
      <table class="hits">
        <caption>Who names the true class first, at which step (●){isPartial && "; – is not measured"}</caption>
        <thead><tr><th scope="col">source</th>{Array.from({ length: steps }, (_, at) => <th scope="col" key={at} class={at + 1 === step ? "now" : ""}>{at + 1}</th>)}</tr></thead>
        <tbody>
          {Object.entries(hits).map(([source, each]) => (
            <tr key={source}>
              <th scope="row">{NAMES[source] ?? source}</th>
              {each.map((hit, at) => <td key={at} class={at + 1 === step ? "now" : ""} style={{ color: hit ? paint(source) : undefined }}><span role="img" aria-label={hit == null ? "not measured" : hit ? "yes" : "no"}>{hit == null ? "–" : hit ? "●" : "·"}</span></td>)}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
