import { useEffect, useState } from "preact/hooks";

import { Curves } from "./charts";
import { fixed, headlines, meanScore, METRICS, type Prompt, type Property, type Run, sourceOf } from "./data";
import { Moved } from "./edits";
import { leadOver } from "./findings";
import { Guess } from "./guess";
import { Glossary, Named, Term } from "./terms";
import { Touch } from "./touch";
import { Unfolding } from "./unfolding";

const PATIENCE_MS = 4000;

/** What the run found: a picture to touch, a guess, five cards, and the numbers behind them. */
export function Story({ run, prompts }: { run: Run; prompts: Prompt[] }) {
  const { summary } = run;
  const names = Object.keys(summary.properties);
  const timed = names.filter((name) => summary.properties[name]!.bar != null);
  const drawn = prompts.filter((each) => each.has_maps).sort((a, b) => meanScore(b, names[0]!) - meanScore(a, names[0]!));
  const middle = drawn.find((each) => each.index === run.first) ?? drawn[0];
  const [isSeen, setSeen] = useState(!middle); // what is further down comes after the first picture
  useEffect(() => {
    const timer = setTimeout(() => setSeen(true), PATIENCE_MS);
    return () => clearTimeout(timer);
  }, []);
  return (
    <>
      <section class="lead">
        <h1>{run.words.title}</h1>
        <p class="large">
          A diffusion model turns noise into a picture in {summary.steps} steps. Drag the slider: a{" "}
          <Term word="probe">linear probe</Term> reads {names.join(", ")} from inside the model, while you see noise.
        </p>
        {middle && <Touch run={run} prompt={middle} onSeen={() => setSeen(true)} />}
      </section>
      {drawn.length > 0 && names.includes("saliency") && (
        <section>
          <h2>Guess before you look</h2>
          <Guess run={run} prompts={drawn} waits={!isSeen} />
        </section>
      )}
      {isSeen && <Rest run={run} timed={timed} middle={middle} />}
    </>
  );
}

/** The cards, what is not shown, and the numbers. */
function Rest({ run, timed, middle }: { run: Run; timed: string[]; middle: Prompt | undefined }) {
  const { summary } = run;
  const names = Object.keys(summary.properties);
  return (
    <>
      {run.words.findings.length > 0 && (
        <section class="findings">
          <h2>What was found</h2>
          <ol>{run.words.findings.map((each) => <li key={each}>{each}</li>)}</ol>
        </section>
      )}
      <section class="cards-of-story">
        <Card title="1. Noise becomes a picture"><p>The model starts from pure noise and removes a little of it at each step. The <Term word="noisy picture" /> shows almost nothing for the first steps. At every step the model also predicts the clean picture it is heading for: the <Term word="predicted picture" />.</p></Card>
        <Card title="2. A probe looks inside"><p>A probe is fitted on {summary.images.train} training pictures and tested on {summary.images.test} pictures whose prompts it has not seen. A <Term word="labeler" /> reads each final picture; its reading is the target. <Term word="Dice" /> of masks and <Term word="residual correlation" /> of maps say how near a reading comes.</p></Card>
        <Card title="3. How early, at one bar">
          <p>Every source must reach <Term word="one bar">the same score</Term>. When does the labeler on the noisy picture get there?</p>
          <Leads run={run} names={timed} rival="image" />
        </Card>
        <Card title="4. The fair rival">
          <p>{run.words.rivalry || "The predicted picture was not compared in this run."}</p>
          <Leads run={run} names={timed} rival="estimate" />
        </Card>
        <Card title="5. Move it yourself">
          <p>A reading does not show that the model uses what is read. An edit does: change those activations, and the object moves in the final picture.{" "}
            <Moved edits={summary.edits ?? []} />
            {run.has?.paint && <><a href="#/paint">Paint where it should be</a>. </>}
            {run.has?.edits && <><a href="#/edits">See edited pictures</a>.</>}
            {!run.has?.paint && !run.has?.edits && "This site was exported without edits."}
          </p>
        </Card>
      </section>
      <section>
        <h2>What it does not show</h2>
        <ul>
          <li>A generated picture has no true depth: a label is a labeler's opinion of the final picture.</li>
          <li>The labeler's own scores end near 1 by construction: the same labeler made the labels.</li>
          <li>The labeler was made for clean pictures. That it sees little in the noisy one says that it is late, not that nothing could read it.</li>
          <li>Much of a map is its place: a floor rises in every picture. So maps are scored by what is left without it, of which the baseline <em>position</em> has nothing.</li>
          <li>A probe that reads a property does not show that the model uses it. Edits test that: moving what is read must move what is drawn.</li>
          <li>One model was studied, {summary.model}, with one family of prompts. Nothing here says that another model does the same.</li>
        </ul>
      </section>
      <section>
        <h2>The numbers</h2>
        <p class="soft">Layers and thresholds were chosen on {summary.images.validation} validation pictures. Brackets are 95% intervals over prompts. A layer's name says its stage and block in the network.</p>
        {names.map((name) => <Found key={name} run={run} name={name} property={summary.properties[name]!} />)}
        {middle && <Unfolded run={run} prompt={middle} />}
        <Glossary />
      </section>
    </>
  );
}

function Unfolded({ run, prompt }: { run: Run; prompt: Prompt }) {
  const [isOpen, setOpen] = useState(false);
  return (
    <details onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>One picture, step by step, every property</summary>
      {isOpen && <Unfolding run={run} prompt={prompt} />}
    </details>
  );
}

function Leads({ run, names, rival }: { run: Run; names: string[]; rival: string }) {
  if (names.length === 0) return null;
  return (
    <table class="leads">
      <thead><tr><th scope="col">property</th><th scope="col">same score as the probe</th></tr></thead>
      <tbody>{names.map((name) => <tr key={name}><th scope="row">{name}</th><td>{leadOver(run, name, rival)}</td></tr>)}</tbody>
    </table>
  );
}

function Card({ title, children }: { title: string; children: preact.ComponentChildren }) {
  return <article class="card"><h3>{title}</h3>{children}</article>;
}

function Found({ run, name, property }: { run: Run; name: string; property: Property }) {
  const { sources } = property;
  const steps = run.summary.steps;
  const at = Math.min(3, steps) - 1;
  const say = (source: string, step: number) => {
    const point = sources[source]?.by_step[step];
    return `${fixed(point?.mean)} [${fixed(point?.low)}, ${fixed(point?.high)}]`;
  };
  const words = run.words.properties[name]!;
  return (
    <details class="found" open={name === Object.keys(run.summary.properties)[0]}>
      <summary><b>{name}</b>, {METRICS[property.metric] ?? property.metric} at step {at + 1}: probe {fixed(sources.probe?.by_step[at]?.mean)}, noisy picture {fixed(sources.image?.by_step[at]?.mean)}, predicted picture {fixed(sources.estimate?.by_step[at]?.mean)}</summary>
      <p>{words.timing} {words.crossings}</p>
      <Curves name={name} property={property} sources={headlines()} gaps={words.gaps} />
      <div class="scroll" tabIndex={0}>
        <table>
          <caption>{name}: every source</caption>
          <thead><tr><th scope="col">source</th><th scope="col">step {at + 1}</th><th scope="col">last step</th><th scope="col">what it sees</th></tr></thead>
          <tbody>
            {Object.keys(sources).map((each) => (
              <tr key={each}><th scope="row">{each}</th><td class="whole">{say(each, at)}</td><td class="whole">{say(each, steps - 1)}</td><td class="sees"><Named text={sourceOf(each)?.sees ?? ""} /></td></tr>
            ))}
          </tbody>
        </table>
      </div>
    </details>
  );
}
