import { interpolateViridis } from "d3-scale-chromatic";

import { useEffect, useRef } from "preact/hooks";

import { change, stepOf } from "./address";
import { HeatMap, LayerCurve } from "./charts";
import { Crossed, OtherSplits } from "./crossed";
import { fixed, METRICS, type Run } from "./data";
import { inkOn } from "./ink";
import { numbersOf } from "./tiles";

/** The network as a row of its layers, those of finer grids higher, coloured by score. */
export function Layers({ run, options }: { run: Run; options: Record<string, string> }) {
  const names = Object.keys(run.summary.properties);
  const name = options.property && names.includes(options.property) ? options.property : names[0]!;
  const property = run.summary.properties[name]!;
  const steps = run.summary.steps;
  const step = stepOf(options.step, steps);
  const chosen = property.layers[options.layer ?? ""] ? options.layer! : property.best_layer;
  const means = Object.values(property.layers).flatMap((each) => each.by_step.map((point) => point.mean)).filter((x): x is number => x != null);
  const range: [number, number] = [Math.min(...means), Math.max(...means)];
  const pressed = useRef<HTMLButtonElement>(null);
  useEffect(() => pressed.current?.scrollIntoView({ inline: "center", block: "nearest" }), [chosen]);
  const tallest = Math.max(...run.layers.map((each) => each.grid?.[0] ?? 1));
  return (
    <>
      <h1>Layers</h1>
      <div class="controls">
        <label>Property <select value={name} onChange={(event) => change({ property: event.currentTarget.value })}>{names.map((each) => <option key={each}>{each}</option>)}</select></label>
        <label>Step {step} of {steps} <input type="range" min="1" max={steps} value={step} onInput={(event) => change({ step: event.currentTarget.value })} /></label>
      </div>
      <p>The {run.layers.length} self-attention layers of {run.summary.model} in the order in which they run, coarser grids lower. Colour is {METRICS[property.metric] ?? property.metric} of {name} at step {step}, from {fixed(range[0])} (dark) to {fixed(range[1])} (bright).</p>
      <div class="network" tabIndex={0}>
        {run.layers.map((each) => {
          const mean = property.layers[each.name]?.by_step[step - 1]?.mean;
          const colour = interpolateViridis(mean == null ? 0 : (mean - range[0]) / (range[1] - range[0] || 1));
          const depth = each.grid ? Math.log2(tallest / each.grid[0]) : 0;
          return (
            <button key={each.name} ref={each.name === chosen ? pressed : undefined} aria-pressed={each.name === chosen} style={{ background: colour, color: inkOn(numbersOf(colour)), marginTop: `${depth * 34}px` }} onClick={() => change({ layer: each.name })}>
              <b>{each.name}</b><span>{fixed(mean)}</span><small>{each.grid ? `${each.grid[0]}×${each.grid[1]}` : ""}</small>
            </button>
          );
        })}
      </div>
      <h2>{chosen}</h2>
      <LayerCurve points={property.layers[chosen]!.by_step} metric={property.metric} name={chosen} property={name} step={step} />
      <h2>Every layer and step</h2>
      <HeatMap property={property} layers={run.layers.map((each) => each.name)} range={range} />
      <details>
        <summary>The same numbers as a table</summary>
        <div class="scroll" tabIndex={0}>
          <table>
            <thead><tr><th scope="col">layer</th>{Array.from({ length: steps }, (_, at) => <th scope="col" key={at}>step {at + 1}</th>)}</tr></thead>
            <tbody>
              {run.layers.map((each) => <tr key={each.name}><th scope="row">{each.name}</th>{(property.layers[each.name]?.by_step ?? []).map((point, at) => <td key={at}>{fixed(point.mean)}</td>)}</tr>)}
            </tbody>
          </table>
        </div>
      </details>
      {run.summary.cross && <Crossed cross={run.summary.cross} property={name} layer={chosen} />}
      {run.summary.splits && <OtherSplits splits={run.summary.splits} run={run} property={name} />}
    </>
  );
}
