import { useEffect, useRef } from "preact/hooks";

import { change, format } from "./address";
import { type Line, Lines, paint } from "./charts";
import { fixed, meanScore, METRICS, pictureOf, type Prompt, type Run } from "./data";

/** All test pictures, from the best read to the worst, and the one that was opened. */
export function Examples({ run, prompts, options }: { run: Run; prompts: Prompt[]; options: Record<string, string> }) {
  const names = Object.keys(run.summary.properties);
  const name = names.includes(options.property ?? "") ? options.property! : names[0]!;
  const order = options.first === "worst" ? "worst" : "best";
  const value = (each: Prompt) => meanScore(each, name);
  const known = prompts.filter((each) => !Number.isNaN(value(each))).sort((a, b) => (order === "best" ? value(b) - value(a) : value(a) - value(b)));
  const sorted = [...known, ...prompts.filter((each) => Number.isNaN(value(each)))];
  const opened = prompts.find((each) => String(each.index) === options.prompt);
  return (
    <>
      <h1>Examples</h1>
      <p>All {prompts.length} test pictures, none left out, by the probe's mean score over steps. “–” has no score.</p>
      {opened && <One run={run} prompt={opened} property={name} />}
      <div class="controls">
        <label>Property <select value={name} onChange={(event) => change({ property: event.currentTarget.value })}>{names.map((each) => <option key={each}>{each}</option>)}</select></label>
        <label>First <select value={order} onChange={(event) => change({ first: event.currentTarget.value })}><option>best</option><option>worst</option></select></label>
      </div>
      <ul class="cards">
        {sorted.map((each) => (
          <li key={each.index}>
            <a href={each.has_maps ? `#/explorer?prompt=${each.index}` : format({ view: "examples", options: { ...options, property: name, first: order, prompt: String(each.index) } })}>
              <img src={pictureOf(each.index)} width="128" height="128" loading="lazy" decoding="async" alt={`Prompt ${each.index}`} />
            </a>
            <b>{fixed(Number.isNaN(value(each)) ? null : value(each))}</b>
            <p dir="auto">{each.text.slice(0, 300)}{each.text.length > 300 ? "…" : ""}</p>
            {each.has_maps && <span class="soft">with maps of every step</span>}
          </li>
        ))}
      </ul>
    </>
  );
}

/** One test picture and its own scores over steps. */
function One({ run, prompt, property }: { run: Run; prompt: Prompt; property: string }) {
  const place = useRef<HTMLElement>(null);
  useEffect(() => place.current?.scrollIntoView({ block: "nearest" }), [prompt.index]);
  const lines: Line[] = Object.entries(prompt.scores[property] ?? {}).map(([source, values]) => ({
    name: source, colour: () => paint(source), isBold: source === "probe",
    points: values.map((mean) => ({ mean, low: null, high: null, undefined: 0 })),
  }));
  const metric = run.summary.properties[property]!.metric;
  return (
    <section class="one" ref={place}>
      <figure><img src={pictureOf(prompt.index)} width="256" height="256" alt={prompt.text.slice(0, 120)} /><figcaption dir="auto">{prompt.text.slice(0, 300)} (seed {prompt.seed})</figcaption></figure>
      <Lines lines={lines} steps={run.summary.steps} title={METRICS[metric] ?? metric} label={`${property} of this picture over steps`} height={260} />
    </section>
  );
}

function Files({ files }: { files: string[] }) {
  return <ul>{files.map((each) => <li key={each}><a href={`downloads/${each}`} download>{each}</a></li>)}</ul>;
}

/** A setting as people write it: a list with commas, the rest as JSON. */
const said = (value: unknown): string =>
  typeof value === "string" ? value : Array.isArray(value) && value.every((each) => typeof each !== "object") ? value.join(", ") : JSON.stringify(value);

/** What can be downloaded, and what the run was. */
export function Data({ run }: { run: Run }) {
  return (
    <>
      <h1>Data</h1>
      <p>scores.parquet has every score of every source, in seven digits; scores.csv.gz those of test pictures at the reported layers. Both are free of pickles.</p>
      <Files files={run.files.filter((each) => !each.startsWith("figures/"))} />
      <details><summary>Figures</summary><Files files={run.files.filter((each) => each.startsWith("figures/"))} /></details>
      <h2>This run</h2>
      <table><tbody>
        {Object.entries(run.settings).map(([key, value]) => <tr key={key}><th scope="row">{key}</th><td class="anything">{said(value)}</td></tr>)}
      </tbody></table>
      <h2>Method, citation, licence</h2>
      <p>Ridge probes are solved from sums of activations and labels of training pictures; every choice is made on validation pictures; intervals resample prompts. The method follows Chen, Viégas and Wattenberg (2023), <cite>Beyond Surface Statistics: Scene Representations in a Latent Diffusion Model</cite>. Made with underpaint {run.version}, MIT licence.</p>
    </>
  );
}
