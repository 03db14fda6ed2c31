import { Curves } from "./charts";
import { fixed, METRICS, type Prompt, type Property, type Run, SOURCES } from "./data";
import { Unfolding } from "./unfolding";

const CONTROLS = ["position", "latent", "random", "shuffled", "ceiling"];

/** What the run found, in the order in which it is best understood, with its own numbers. */
export function Story({ run, prompts }: { run: Run; prompts: Prompt[] }) {
  const { summary } = run;
  const names = Object.keys(summary.properties);
  // As far as this run shows it: some probe leads the noisy picture by more than chance.
  const isEarly = Object.values(summary.properties).some((each) => each.lead && each.lead.low > 0);
  return (
    <>
      <section class="lead">
        <h1>{isEarly ? "The scene is there before the picture is" : "Is the scene there before the picture is?"}</h1>
        <p class="large">
          {summary.model} paints a picture out of noise in {summary.steps} steps. Linear probes on its self-attention outputs
          read {names.join(", ")} on the way. This page shows what they read, how early, and beside whom.
        </p>
        <p>
          Measured on {summary.images.test} test pictures; probes were fitted on {summary.images.train} others, and layers and
          thresholds chosen on {summary.images.validation} more. Brackets are 95% intervals over prompts.
        </p>
        <Unfolding run={run} prompts={prompts} />
      </section>
      {names.map((name) => <Found key={name} name={name} property={summary.properties[name]!} steps={summary.steps} />)}
      <section>
        <h2>What it does not show</h2>
        <ul>
          <li>A generated picture has no true depth: a label is a labeler's opinion of the final picture.</li>
          <li><em>Image</em> and <em>estimate</em> end near 1 by construction: the labeler that reads them also made the labels.</li>
          <li>Much of a rank correlation can be place alone; <em>position</em> is what knowing only the place gives.</li>
          <li>That a probe can read a property does not show that the model uses it.</li>
        </ul>
      </section>
    </>
  );
}

function Found({ name, property, steps }: { name: string; property: Property; steps: number }) {
  const { sources } = property;
  const probe = sources.probe!;
  const at = Math.min(3, steps) - 1;
  const say = (source: string, step: number) => {
    const point = sources[source]?.by_step[step];
    return `${fixed(point?.mean)} [${fixed(point?.low)}, ${fixed(point?.high)}]`;
  };
  const controls = CONTROLS.filter((each) => sources[each]);
  const crossed = property.crossover.estimate;
  return (
    <section>
      <h2>{name}</h2>
      <p>
        At step {at + 1} of {steps} the probe at {property.best_layer} scores <strong>{say("probe", at)}</strong>{" "}
        ({METRICS[property.metric] ?? property.metric}); the labeler scores {say("image", at)} on the noisy picture there, and{" "}
        {say("estimate", at)} on the model's estimate of the final one. Position alone gives {say("position", at)}.
      </p>
      <p>
        {probe.onset
          ? `The probe holds 90% of its own final skill from step ${probe.onset.step} on (${probe.onset.low}–${probe.onset.high}).`
          : "The probe never beats position, so it has no onset."}{" "}
        {property.lead ? `That is ${property.lead.steps} steps (${property.lead.low} to ${property.lead.high}) before the noisy picture does. ` : ""}
        {crossed === undefined ? "" : crossed === null ? "The estimate never beats the probe." : `The estimate, the harder rival, beats the probe from step ${crossed} on.`}
      </p>
      <Curves name={name} property={property} sources={["probe", "image", "estimate", "position"]} />
      {controls.length > 0 && (
        <details>
          <summary>Controls and every source at the last step</summary>
          <Curves name={name} property={property} sources={["probe", ...controls]} />
          <table>
            <thead><tr><th scope="col">source</th><th scope="col">what it sees</th><th scope="col">step {at + 1}</th><th scope="col">last step</th></tr></thead>
            <tbody>
              {Object.keys(sources).map((each) => (
                <tr key={each}><th scope="row">{each}</th><td>{SOURCES[each] ?? ""}</td><td>{say(each, at)}</td><td>{say(each, steps - 1)}</td></tr>
              ))}
            </tbody>
          </table>
        </details>
      )}
    </section>
  );
}
