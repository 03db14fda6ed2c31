import { useState } from "preact/hooks";

import { fixed, meanScore, pictureOf, type Prompt, type Run } from "./data";

/** All test pictures, from the best read to the worst. */
export function Examples({ run, prompts }: { run: Run; prompts: Prompt[] }) {
  const names = Object.keys(run.summary.properties);
  const [name, setName] = useState(names[0]!);
  const [first, setFirst] = useState("best");
  const value = (each: Prompt) => meanScore(each, name);
  const known = prompts.filter((each) => !Number.isNaN(value(each))).sort((a, b) => (first === "best" ? value(b) - value(a) : value(a) - value(b)));
  const sorted = [...known, ...prompts.filter((each) => Number.isNaN(value(each)))];
  return (
    <>
      <h1>Examples</h1>
      <p>All {prompts.length} test pictures, none left out, by the probe's mean score over steps. “–” has no score.</p>
      <div class="controls">
        <label>Property <select value={name} onChange={(event) => setName(event.currentTarget.value)}>{names.map((each) => <option key={each}>{each}</option>)}</select></label>
        <label>First <select value={first} onChange={(event) => setFirst(event.currentTarget.value)}><option>best</option><option>worst</option></select></label>
      </div>
      <ul class="cards">
        {sorted.map((each) => (
          <li key={each.index}>
            <img src={pictureOf(each.index)} width="128" height="128" loading="lazy" decoding="async" alt="" />
            <b>{fixed(Number.isNaN(value(each)) ? null : value(each))}</b>
            <p dir="auto">{each.text.slice(0, 300)}{each.text.length > 300 ? "…" : ""}</p>
            {each.has_maps && <a href={`#/explorer?prompt=${each.index}`}>explore prompt {each.index}</a>}
          </li>
        ))}
      </ul>
    </>
  );
}

/** What can be downloaded, and what the run was. */
export function Data({ run }: { run: Run }) {
  return (
    <>
      <h1>Data</h1>
      <p>scores.parquet has every score of every source; scores.csv those of test pictures at the reported layers. Both are free of pickles.</p>
      <ul>{run.files.map((each) => <li key={each}><a href={`downloads/${each}`} download>{each}</a></li>)}</ul>
      <h2>This run</h2>
      <table><tbody>
        {Object.entries(run.settings).map(([key, value]) => <tr key={key}><th scope="row">{key}</th><td>{typeof value === "string" ? value : JSON.stringify(value)}</td></tr>)}
      </tbody></table>
      <h2>Method, citation, licence</h2>
      <p>Ridge and discriminant probes are solved from sums of activations and labels of training pictures; every choice is made on validation pictures; intervals resample prompts. The method follows Chen, Viégas and Wattenberg (2023), <cite>Beyond Surface Statistics: Scene Representations in a Latent Diffusion Model</cite>. Made with underpaint {run.version}, MIT licence.</p>
    </>
  );
}
