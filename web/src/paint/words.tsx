import { useRef } from "preact/hooks";

import { change } from "../address";
import { type Page, parse, spell, unlearnt } from "./page";

const MOST_SEED = 2 ** 31;
export const newSeed = (): string => String(Math.floor(Math.random() * MOST_SEED));

/** What to paint: a sentence of words to choose from, a seed, or words of one's own. */
export function Words({ page, text, seed }: { page: Page; text: string; seed: string }) {
  const { grammar } = page;
  const last = useRef<Record<string, string> | null>(grammar && parse(grammar, page.prompts[0]!.text));
  const found = grammar && parse(grammar, text);
  if (found) last.current = found;
  const words = last.current;
  const say = (next: string) => change({ text: next, seed });
  const pieces = grammar?.template.split(/(\{\w+\})/) ?? [];
  const unknown = grammar && !found ? unlearnt(grammar, text) : [];
  return (
    <form class="words" onSubmit={(event) => event.preventDefault()}>
      {grammar && words && (
        <p class={found ? "sentence" : "sentence idle"}>
          {pieces.map((piece) => {
            const part = /^\{(\w+)\}$/.exec(piece)?.[1];
            if (!part) return piece;
            return (
              <select key={part} aria-label={part} value={words[part]} onChange={(event) => say(spell(grammar, { ...words, [part]: event.currentTarget.value }))}>
                {Object.entries(grammar.parts[part]!).map(([word, spoken]) => <option key={word} value={word}>{spoken}</option>)}
              </select>
            );
          })}
        </p>
      )}
      <div class="buttons">
        <label>Seed <input class="seed" inputMode="numeric" value={seed} maxLength={19}
          onChange={(event) => change({ text, seed: event.currentTarget.value.replace(/\D/g, "") || "0" })} /></label>
        <button type="button" onClick={() => change({ text, seed: newSeed() })}>New seed</button>
        <label>From the run <select value={page.prompts.some((each) => each.text === text && each.seed === seed) ? `${seed} ${text}` : ""}
          onChange={(event) => {
            const chosen = page.prompts.find((each) => `${each.seed} ${each.text}` === event.currentTarget.value);
            if (chosen) change({ text: chosen.text, seed: chosen.seed });
          }}>
          <option value="">a test prompt…</option>
          {page.prompts.map((each) => <option key={`${each.seed} ${each.text}`} value={`${each.seed} ${each.text}`}>{each.text.slice(0, 100)}</option>)}
        </select></label>
      </div>
      <details open={!words || !found}>
        <summary>Write your own words</summary>
        <label>Prompt <input class="own" dir="auto" value={text} maxLength={500} onChange={(event) => say(event.currentTarget.value || text)} /></label>
        {unknown.length > 0 && <p class="note" role="status">Words that it has never read, and ignores: {unknown.map((word, at) => <>{at > 0 && ", "}<span class="unlearnt">{word}</span></>)}.</p>}
        {grammar && <p class="note">It has learnt the words of the sentence above, and no others.</p>}
      </details>
    </form>
  );
}
