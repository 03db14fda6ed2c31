import { type Line, Lines, ordered } from "./charts";
import { type Cross, fixed, type Interval, type Property, type Run, type Splits } from "./data";

const PARTS = ["caption", "meeting", "noise"] as const;
const share = (found: Interval): string => (found.mean == null ? "–" : `${percent(found.mean)} [${percent(found.low)}, ${percent(found.high)}]`);
const percent = (value: number | null): string => (value == null ? "–" : `${(100 * value).toFixed(0)}%`.replace("-", "−"));

/** What one layer's readings owe to the caption, to the noise, and to their meeting, at every step. */
export function Crossed({ cross, property, layer }: { cross: Cross; property: string; layer: string }) {
  const found = cross.properties[property];
  const steps = found?.layers[layer]?.by_step;
  if (!found || !steps) return null;
  const lines: Line[] = PARTS.map((part, at) => ({ name: part, colour: () => ordered(at), points: steps.map((each) => ({ ...each[part], undefined: 0 })), isBold: part === "meeting" }));
  return (
    <section class="crossed">
      <h2>Caption, noise and their meeting</h2>
      <p>{cross.captions} captions were each drawn from the same {cross.noises} noises. A reading that follows the caption is the same from any noise. One that follows the noise is the same under any caption. Their meeting is what one caption does in one noise alone. An interval from 0% to 100% or wider says that too few were drawn to tell.</p>
      <Lines lines={lines} steps={steps.length} title="share of variance" label={`Shares of the variance of ${property} at ${layer}`} height={260} range={[0, 1]} />
      <div class="scroll" tabIndex={0}>
        <table>
          <caption>{property} at {layer}: shares of variance, with 95% intervals over captions and noises</caption>
          <thead><tr><th scope="col">step</th>{PARTS.map((part) => <th scope="col" key={part}>{part}</th>)}</tr></thead>
          <tbody>
            {steps.map((each, at) => <tr key={at}><th scope="row">{at + 1}</th>{PARTS.map((part) => <td class="whole" key={part}>{share(each[part])}</td>)}</tr>)}
            <tr><th scope="row">the label</th>{PARTS.map((part) => <td class="whole" key={part}>{share(found.label[part])}</td>)}</tr>
          </tbody>
        </table>
      </div>
    </section>
  );
}

/** How far last scores move with the split of the prompts. */
export function OtherSplits({ splits, run, property }: { splits: Splits; run: Run; property: string }) {
  const found = splits.properties[property];
  const own: Property = run.summary.properties[property]!;
  if (!found) return null;
  const resampled = (source: string): string => {
    const final = own.sources[source]?.final;
    return final?.low == null || final.high == null ? "–" : ((final.high - final.low) / (2 * 1.96)).toFixed(3);
  };
  return (
    <section class="splits">
      <h2>Other splits of the prompts</h2>
      <p>Everything was chosen anew in {splits.count} other splits. The deviation says how far the last score moves with the split. Beside it stands what resampling the test prompts of one split gives.</p>
      <div class="scroll" tabIndex={0}>
        <table>
          <caption>{property}, last step</caption>
          <thead><tr><th scope="col">source</th><th scope="col">mean over splits</th><th scope="col">deviation</th><th scope="col">one split, resampled</th><th scope="col">best layers</th></tr></thead>
          <tbody>
            {Object.entries(found.sources).map(([source, each]) => (
              <tr key={source}><th scope="row">{source}</th><td>{fixed(each.final.mean)}</td><td>{each.final.sd.toFixed(3)}</td><td>{resampled(source)}</td><td>{[...new Set(each.layers)].join(", ") || "–"}</td></tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}
