
import { change } from "./address";
import { Chart, paint, type Plotting } from "./charts";
import { fixed, METRICS, type Point, sourceOf } from "./data";
import { useJson } from "./reading";

type Interval = { mean: number | null; low: number | null; high: number | null };
type Side = { layer: string | null; depth: number | null; by_level: Interval[]; by_step: Point[]; final: Point; bar: Interval | null };
type Difference = { run: number; prompts: number; is_paired: boolean; by_level: Interval[]; earlier: Interval | null };
type Source = { bar: number | null; runs: Side[]; differences: Difference[] };
type Property = {
  metric: string;
  levels: number[];
  sources: Record<string, Source>;
  depths: { layer: string; depth: number; by_level: (number | null)[] }[][];
};
type Described = { name: string; model: string; guidance: number; images: number; layers: number; noise: (number | null)[] };
/** What `underpaint compare` finds: sources of every run over ln(noise / signal), the probe over depth. */
export type Compared = { runs: Described[]; properties: Record<string, Property> };

const FIRST = ["probe", "estimate"]; // sources drawn before the reader chooses
const DASHES = ["", "7 4", "2 3", "9 3 2 3"];
const dashOf = (run: number): string => DASHES[run % DASHES.length]!;

export const signed = (value: number | null | undefined, digits = 2): string =>
  value == null ? "–" : `${value > 0 ? "+" : ""}${value.toFixed(digits)}`.replace("-", "−");
const interval = (found: Interval | null): string => (found?.mean == null ? "–" : `${signed(found.mean)} [${signed(found.low)}, ${signed(found.high)}]`);
const nameOf = (path: string): string => path.split("/").filter(Boolean).at(-1) ?? path;

/** This run beside others: at equal noise, at equal depth, and by source. */
export function View({ options }: { options: Record<string, string> }) {
  const { found, failed } = useJson<Compared>("data/compare.json");
  if (failed) return <p role="alert">{failed}</p>;
  if (!found) return <p>Reading the comparison…</p>;
  const names = Object.keys(found.properties);
  const name = names.includes(options.property ?? "") ? options.property! : names[0]!;
  const property = found.properties[name]!;
  const known = Object.keys(property.sources);
  const asked = (options.sources ?? "").split(",").filter((each) => known.includes(each));
  const sources = asked.length ? asked : FIRST.filter((each) => known.includes(each));
  const level = Math.min(Math.max(Math.round(Number(options.level) || 1), 1), property.levels.length) - 1;
  const toggle = (source: string) => {
    const next = sources.includes(source) ? sources.filter((each) => each !== source) : [...sources, source];
    if (next.length) change({ sources: next.join(",") });
  };
  return (
    <>
      <h1>Compare</h1>
      <p>
        The same questions put to {found.runs.length} runs. A step's number belongs to a schedule, and a layer's name to a network; so scores are
        laid over the ratio of noise to signal, and layers over their depth: 0 runs first, 1 last.
      </p>
      <Runs runs={found.runs} />
      <div class="controls sticky">
        <label>Property <select value={name} onChange={(event) => change({ property: event.currentTarget.value })}>{names.map((each) => <option key={each}>{each}</option>)}</select></label>
        <span class="row" role="group" aria-label="Sources">
          {known.map((each) => <button key={each} aria-pressed={sources.includes(each)} title={sourceOf(each)?.sees} onClick={() => toggle(each)}>{each}</button>)}
        </span>
      </div>
      <h2>Over noise</h2>
      <OverNoise name={name} property={property} runs={found.runs} sources={sources} />
      <h2>Over depth of the layer</h2>
      {property.levels.length > 1 && (
        <label>Noise <select value={String(level + 1)} onChange={(event) => change({ level: event.currentTarget.value })}>
          {property.levels.map((each, at) => <option key={each} value={String(at + 1)}>{ratioOf(each)}</option>)}
        </select></label>
      )}
      <OverDepth name={name} property={property} runs={found.runs} level={level} />
      <h2>How far apart</h2>
      {property.sources[sources[0]!]!.differences.map((each) => <Differences key={each.run} property={property} runs={found.runs} other={each.run} />)}
    </>
  );
}

/** Say what a level of ln(noise / signal) means. */
export function ratioOf(level: number): string {
  if (level === 0) return "as much noise as signal";
  const ratio = Math.exp(Math.abs(level));
  return `${ratio.toFixed(1)}× more ${level > 0 ? "noise than signal" : "signal than noise"}`;
}

function Runs({ runs }: { runs: Described[] }) {
  return (
    <div class="scroll" tabIndex={0}>
      <table>
        <thead><tr><th scope="col">run</th><th scope="col">line</th><th scope="col">model</th><th scope="col">steps</th><th scope="col">layers</th><th scope="col">guidance</th><th scope="col">test pictures</th></tr></thead>
        <tbody>
          {runs.map((each, at) => (
            <tr key={each.name}>
              <th scope="row">{each.name}</th>
              <td><svg width="44" height="10" role="img" aria-label={`line ${at + 1}`}><path d="M0 5H44" stroke="currentColor" stroke-width="2.5" stroke-dasharray={dashOf(at)} /></svg></td>
              <td>{nameOf(each.model)}</td><td>{each.noise.length}</td><td>{each.layers}</td><td>{each.guidance}</td><td>{each.images}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function OverNoise(props: { name: string; property: Property; runs: Described[]; sources: string[] }) {
  const { name, property, runs, sources } = props;
  const rows = sources.flatMap((source) =>
    property.sources[source]!.runs.flatMap((side, run) =>
      side.by_step.map((point, at) => ({ ...point, noise: runs[run]!.noise[at] ?? null, step: at + 1, source, run, line: `${source} ${run}` })),
    ),
  ).filter((row) => row.noise !== null);
  const pure = runs.filter((each) => each.noise.includes(null)).map((each) => each.name);
  const bar = property.sources.probe?.bar;
  const draw = (width: number, Plot: Plotting) =>
    Plot.plot({
      width, height: 340, marginBottom: 46, marginRight: 16,
      style: { background: "transparent", fontSize: "13px" },
      x: { label: "ln (noise / signal): less noise to the right", labelAnchor: "center", labelArrow: "none", labelOffset: 40, reverse: true },
      y: { label: METRICS[property.metric] ?? property.metric, labelArrow: "none", grid: true, nice: true },
      marks: [
        Plot.areaY(rows, { x: "noise", y1: "low", y2: "high", z: "line", fill: (row) => paint(row.source), fillOpacity: 0.1 }),
        ...runs.map((_, run) => Plot.lineY(rows.filter((row) => row.run === run), { x: "noise", y: "mean", z: "line", stroke: (row) => paint(row.source), strokeWidth: 2, strokeDasharray: dashOf(run) || undefined })),
        Plot.tip(rows, Plot.pointer({ x: "noise", y: "mean", title: (row) => `${row.source}, ${runs[row.run]!.name}, step ${row.step}\n${fixed(row.mean)} (${fixed(row.low)} … ${fixed(row.high)})`, fill: "var(--panel)", stroke: "var(--line)" })),
      ],
    });
  return (
    <>
      <p class="row keys">{sources.map((each) => <span key={each}><i class="key" style={{ background: paint(each) }} />{each}</span>)}</p>
      <Chart draw={draw} height={340} depends={[name, sources.join()]} label={`Scores of ${name} over ln (noise / signal), a colour for each source and a dash for each run. The table below has the numbers.`} />
      <p class="soft">
        Colours are sources, dashes are runs; bands are 95% intervals over prompts.
        {pure.length > 0 && ` Not shown: step 1 of ${pure.join(", ")}, which is noise alone.`}
        {bar != null && ` The bar for the probes is ${fixed(bar)}: 90% of the lower of their final scores, without position where that is measured.`}
      </p>
    </>
  );
}

function OverDepth(props: { name: string; property: Property; runs: Described[]; level: number }) {
  const { name, property, runs, level } = props;
  const rows = property.depths.flatMap((layers, run) => layers.map((each) => ({ ...each, run, mean: each.by_level[level] ?? null })));
  const draw = (width: number, Plot: Plotting) =>
    Plot.plot({
      width, height: 280, marginBottom: 46, marginRight: 16,
      style: { background: "transparent", fontSize: "13px" },
      x: { label: "depth of the layer: 0 runs first, 1 last", labelAnchor: "center", labelArrow: "none", labelOffset: 40, domain: [0, 1] },
      y: { label: METRICS[property.metric] ?? property.metric, labelArrow: "none", grid: true, nice: true },
      marks: [
        ...runs.map((_, run) => Plot.lineY(rows.filter((row) => row.run === run), { x: "depth", y: "mean", stroke: paint("probe"), strokeWidth: 2, strokeDasharray: dashOf(run) || undefined, marker: "dot" })),
        Plot.tip(rows, Plot.pointer({ x: "depth", y: "mean", title: (row) => `${runs[row.run]!.name}, ${row.layer}\n${fixed(row.mean)}`, fill: "var(--panel)", stroke: "var(--line)" })),
      ],
    });
  const best = runs.map((run, at) => {
    const found = rows.filter((row) => row.run === at && row.mean !== null).sort((a, b) => b.mean! - a.mean!)[0];
    return found ? `${run.name}: best at depth ${found.depth.toFixed(2)} (${found.layer}, ${fixed(found.mean)})` : `${run.name}: no score`;
  });
  return (
    <>
      <Chart draw={draw} height={280} depends={[name, level]} label={`The probe's ${name} at every layer over its depth. ${best.join("; ")}.`} />
      <p class="soft">Where there is {ratioOf(property.levels[level]!)}. {best.join("; ")}.</p>
    </>
  );
}

function Differences({ property, runs, other }: { property: Property; runs: Described[]; other: number }) {
  const rows = Object.entries(property.sources).map(([source, each]) => ({ source, ...each.differences.find((found) => found.run === other)! }));
  const { prompts, is_paired } = rows[0]!;
  return (
    <div class="scroll" tabIndex={0}>
      <table class="differences">
        <caption>{runs[other]!.name} − {runs[0]!.name}, {prompts} prompts {is_paired ? "that both have, paired" : "in all, not paired"}</caption>
        <thead><tr><th scope="col">source</th>{property.levels.map((each) => <th scope="col" key={each}>at {signed(each, 1)}</th>)}<th scope="col">bar earlier by</th></tr></thead>
        <tbody>
          {rows.map((row) => <tr key={row.source}><th scope="row">{row.source}</th>{row.by_level.map((each, at) => <td key={at}>{interval(each)}</td>)}<td>{interval(row.earlier)}</td></tr>)}
        </tbody>
      </table>
      <p class="soft">Columns are ln (noise / signal); brackets are 95% intervals over prompts. “Earlier” is by how much more noise, in ln, the source holds the bar.</p>
    </div>
  );
}
