// The address holds the state, so that a view can be shared: #/explorer?prompt=3&step=2.

export type Address = { view: string; options: Record<string, string> };

export function parse(hash: string): Address {
  const [path = "", query = ""] = hash.replace(/^#\/?/, "").split("?");
  return { view: path || "story", options: Object.fromEntries(new URLSearchParams(query)) };
}

export function format(address: Address): string {
  const query = new URLSearchParams(address.options).toString();
  return `#/${address.view === "story" ? "" : address.view}${query ? `?${query}` : ""}`;
}

/** Read a step, counted from 1, out of an address: a whole one that the run has, whatever is written there. */
export function stepOf(written: string | undefined, steps: number, otherwise = 3): number {
  const step = Math.round(Number(written ?? Number.NaN));
  return Math.min(Math.max(Number.isFinite(step) && step !== 0 ? step : otherwise, 1), steps);
}

/** Change options in place: no entry in the history for each step of a slider. */
export function change(options: Record<string, string>): void {
  const now = parse(location.hash);
  const next = format({ view: now.view, options: { ...now.options, ...options } });
  history.replaceState(null, "", next);
  dispatchEvent(new HashChangeEvent("hashchange"));
}
