import { useState } from "preact/hooks";

import { pictureOf, type Prompt } from "./data";

/** Pictures to choose from, with a filter by text. Only those near to sight are fetched, and none moves another. */
export function Thumbs(props: { prompts: Prompt[]; chosen: number; onChoose: (index: number) => void }) {
  const [filter, setFilter] = useState("");
  const found = matching(props.prompts, filter);
  return (
    <section class="choose" aria-label="Choose a picture">
      {props.prompts.length > 1 && (
        <label>
          Filter prompts <input type="search" value={filter} onInput={(event) => setFilter(event.currentTarget.value)} />
          <span class="count" role="status">{filter ? `${found.length} of ${props.prompts.length}` : ""}</span>
        </label>
      )}
      <ul class="thumbs">
        {found.map((each) => (
          <li key={each.index}>
            <button aria-pressed={each.index === props.chosen} onClick={() => props.onChoose(each.index)} title={each.text.slice(0, 200)}>
              <img src={pictureOf(each.index)} width="64" height="64" loading="lazy" decoding="async" alt={each.text.slice(0, 120)} />
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
