import { render } from "preact";
import { useEffect, useState } from "preact/hooks";

import { type Address, parse } from "./address";
import { type Prompt, readJson, type Run } from "./data";
import { Edits } from "./edits";
import { Data, Examples } from "./examples";
import { Explorer } from "./explorer";
import { Layers } from "./layers";
import { Recognition } from "./recognition";
import { Story } from "./story";
import "./style.css";

const OPENED = { paint: () => import("./paint/view") }; // fetched when they are opened, not before

const VIEWS = { story: "Story", explorer: "Explorer", layers: "Layers", recognition: "Recognition", edits: "Edits", paint: "Paint", examples: "Examples", data: "Data" };

function App() {
  const [address, setAddress] = useState<Address>(parse(location.hash));
  const [run, setRun] = useState<Run | null>(null);
  const [prompts, setPrompts] = useState<Prompt[] | null>(null);
  const [failed, setFailed] = useState("");
  useEffect(() => {
    const follow = () => setAddress(parse(location.hash));
    addEventListener("hashchange", follow);
    readJson<Run>("data/run.json").then(setRun, (error: Error) => setFailed(error.message));
    readJson<Prompt[]>("data/prompts.json").then(setPrompts, (error: Error) => setFailed(error.message));
    return () => removeEventListener("hashchange", follow);
  }, []);
  useEffect(() => scrollTo(0, 0), [address.view]);
  const view = address.view in VIEWS ? address.view : "story";
  return (
    <>
      <header>
        <a class="name" href="#/">underpaint</a>
        <nav aria-label="Views">
          {Object.entries(VIEWS).filter(([key]) => key !== "paint" || run?.has?.paint).map(([key, title]) => (
            <a key={key} href={key === "story" ? "#/" : `#/${key}`} aria-current={key === view ? "page" : undefined}>{title}</a>
          ))}
        </nav>
      </header>
      <main class={view}>
        {failed && <p role="alert">{failed}</p>}
        {!failed && !(run && prompts) && <p>Reading the run…</p>}
        {run && prompts && view === "story" && <Story run={run} prompts={prompts} />}
        {run && prompts && view === "explorer" && <Explorer run={run} prompts={prompts} options={address.options} />}
        {run && prompts && view === "layers" && <Layers run={run} options={address.options} />}
        {run && prompts && view === "recognition" && <Recognition run={run} prompts={prompts} options={address.options} />}
        {run && prompts && view === "edits" && <Edits run={run} options={address.options} />}
        {run && prompts && view === "examples" && <Examples run={run} prompts={prompts} />}
        {run && view === "paint" && (run.has?.paint ? <Opened view="paint" options={address.options} /> : <p>This site was exported without its model. `underpaint export OUT SITE` adds a small one.</p>)}
        {run && prompts && view === "data" && <Data run={run} />}
      </main>
    </>
  );
}

function Opened({ view, options }: { view: keyof typeof OPENED; options: Record<string, string> }) {
  const [View, setView] = useState<{ View: (props: { options: Record<string, string> }) => preact.JSX.Element } | null>(null);
  const [failed, setFailed] = useState("");
  useEffect(() => void OPENED[view]().then(setView, (error: Error) => setFailed(error.message)), [view]);
  return failed ? <p role="alert">{failed}</p> : View ? <View.View options={options} /> : <p>Opening…</p>;
}

render(<App />, document.getElementById("app")!);
