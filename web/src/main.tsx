import { render } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";

import { type Address, parse } from "./address";
import { askEarly, declare, type Prompt, readJson, type Run } from "./data";
import { Edits } from "./edits";
import { Data, Examples } from "./examples";
import { Explorer } from "./explorer";
import { Footer } from "./footer";
import { Layers } from "./layers";
import { Recognition } from "./recognition";
import { Story } from "./story";
import "./style.css";
import { askFirst } from "./touch";

const OPENED = { paint: () => import("./paint/view"), compare: () => import("./compare") }; // fetched when they are opened, not before

const VIEWS = { story: "Story", explorer: "Explorer", layers: "Layers", recognition: "Recognition", edits: "Edits", paint: "Paint", compare: "Compare", examples: "Examples", data: "Data" };
type View = keyof typeof VIEWS;
/** Lists of test prompts, fetched when a view that needs one is opened: those with maps alone, or all. */
const LISTS: Partial<Record<View, string>> = { story: "data/drawn.json", explorer: "data/drawn.json", recognition: "data/prompts.json", examples: "data/prompts.json" };

const OPTIONAL = ["paint", "edits", "recognition", "compare"] as const;
/** Views that have something to show in this run. */
const offered = (run: Run | null): View[] =>
  (Object.keys(VIEWS) as View[]).filter((key) => OPTIONAL.every((each) => each !== key || run?.has?.[each]));

const viewOf = (address: Address): View => (address.view in VIEWS ? (address.view as View) : "story");
// Asked for before anything is drawn.
const firstView = viewOf(parse(location.hash));
const firstList = LISTS[firstView];
const runAsked = askEarly<Run>("data/run.json");
if (firstList) void askEarly(firstList);
if (firstView === "story") runAsked.then(askFirst, () => undefined);

function App() {
  const [address, setAddress] = useState<Address>(parse(location.hash));
  const [run, setRun] = useState<Run | null>(null);
  const [lists, setLists] = useState<Record<string, Prompt[]>>({});
  const [failed, setFailed] = useState("");
  const content = useRef<HTMLElement>(null);
  const view = viewOf(address);
  const list = LISTS[view];
  useEffect(() => {
    const follow = () => setAddress(parse(location.hash));
    addEventListener("hashchange", follow);
    readJson<Run>("data/run.json").then((found) => {
      declare(found.sources);
      setRun(found);
    }, (error: Error) => setFailed(error.message));
    return () => removeEventListener("hashchange", follow);
  }, []);
  useEffect(() => {
    if (list && !lists[list]) readJson<Prompt[]>(list).then((found) => setLists((known) => ({ ...known, [list]: found })), (error: Error) => setFailed(error.message));
  }, [list]);
  useEffect(() => {
    scrollTo(0, 0);
    document.title = `${VIEWS[view]} – underpaint`;
  }, [view]);
  const isEmbedded = address.options.embed === "true"; // one view alone, in another page
  const prompts = list ? lists[list] : [];
  return (
    <>
      {!isEmbedded && <button class="skip" onClick={() => content.current?.focus()}>Skip to the content</button>}
      {!isEmbedded && <header>
        <a class="name" href="#/">underpaint</a>
        <nav aria-label="Views">
          {offered(run).map((key) => (
            <a key={key} href={key === "story" ? "#/" : `#/${key}`} aria-current={key === view ? "page" : undefined}>{VIEWS[key]}</a>
          ))}
        </nav>
      </header>}
      <main class={view} ref={content} tabIndex={-1}>
        {failed && <p role="alert">{failed}</p>}
        {!failed && !(run && prompts) && <p>Reading the run…</p>}
        {run && prompts && <Shown view={view} run={run} prompts={prompts} options={address.options} />}
      </main>
      {!isEmbedded && <Footer run={run} />}
    </>
  );
}

function Shown({ view, run, prompts, options }: { view: View; run: Run; prompts: Prompt[]; options: Record<string, string> }) {
  switch (view) {
    case "story": return <Story run={run} prompts={prompts} />;
    case "explorer": return <Explorer run={run} prompts={prompts} options={options} />;
    case "layers": return <Layers run={run} options={options} />;
    case "recognition": return <Recognition run={run} prompts={prompts} options={options} />;
    case "edits": return <Edits run={run} options={options} />;
    case "examples": return <Examples run={run} prompts={prompts} options={options} />;
    case "data": return <Data run={run} />;
    case "compare": return run.has?.compare ? <Opened view="compare" options={options} /> : <Without title="Compare">This site was exported without another run. <code>underpaint export OUT SITE --with OUT2</code> adds one.</Without>;
    case "paint": return run.has?.paint ? <Opened view="paint" options={options} /> : <Without title="Paint">This site was exported without its model. <code>underpaint export OUT SITE</code> adds a small one.</Without>;
  }
}

function Without({ title, children }: { title: string; children: preact.ComponentChildren }) {
  return <><h1>{title}</h1><p>{children}</p></>;
}

function Opened({ view, options }: { view: keyof typeof OPENED; options: Record<string, string> }) {
  const [View, setView] = useState<{ View: (props: { options: Record<string, string> }) => preact.JSX.Element } | null>(null);
  const [failed, setFailed] = useState("");
  useEffect(() => void OPENED[view]().then(setView, (error: Error) => setFailed(error.message)), [view]);
  return failed ? <p role="alert">{failed}</p> : View ? <View.View options={options} /> : <p>Opening…</p>;
}

render(<App />, document.getElementById("app")!);
