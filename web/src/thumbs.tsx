import { useState } from "preact/hooks";

import type { Prompt } from "./data";
import { usePlace } from "./place";

/** A picture to choose: its thumbnail is so many squares down, or the first, in a sheet of them. */
export type Choice = { index: number; text: string; sheet: string; place: number };
const SIDE = 64;

export const choiceOf = ({ index, text, thumb }: Prompt): Choice => ({ index, text, sheet: `data/thumbs/${thumb.sheet}.webp`, place: thumb.place });

/** Pictures to choose from, with a filter by text. Only sheets near to sight are fetched, and none moves another. */
export function Thumbs(props: { choices: Choice[]; chosen: number; onChoose: (index: number) => void }) {
  const [filter, setFilter] = useState("");
  const { locate } = usePlace();
  const found = matching(props.choices, filter);
  return (
    <section class="choose" aria-label="Choose a picture">
      {props.choices.length > 1 && (
        <label>
          Filter prompts <input type="search" value={filter} onInput={(event) => setFilter(event.currentTarget.value)} />
          <span class="count" role="status">{filter ? `${found.length} of ${props.choices.length}` : ""}</span>
        </label>
      )}
      <ul class="thumbs">
        {found.map((each) => (
          <li key={each.index}>
            <button aria-pressed={each.index === props.chosen} onClick={() => props.onChoose(each.index)} title={each.text.slice(0, 200)}>
              <img src={locate(each.sheet)} style={{ objectPosition: `0 ${-SIDE * each.place}px` }} width={SIDE} height={SIDE} loading="lazy" decoding="async" alt={each.text.slice(0, 120)} />
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}

/** Keep prompts that hold every word of the filter, in any order. */
export function matching<T extends { text: string }>(prompts: T[], filter: string): T[] {
  const words = filter.toLowerCase().split(/\s+/).filter(Boolean);
  return prompts.filter((each) => words.every((word) => each.text.toLowerCase().includes(word)));
}
