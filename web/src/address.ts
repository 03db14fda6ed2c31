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

/** Change options in place: no entry in the history for each step of a slider. */
export function change(options: Record<string, string>): void {
  const now = parse(location.hash);
  const next = format({ view: now.view, options: { ...now.options, ...options } });
  history.replaceState(null, "", next);
  dispatchEvent(new HashChangeEvent("hashchange"));
}
