// What the numbers allow to be said, in words. A sentence that its interval does not carry is not written.

import { fixed, METRICS, type Property, type Run } from "./data";

export type Lead = { steps: number; low: number; high: number; log_noise?: { value: number | null; low: number | null; high: number | null } | null };

/** How many steps the probe reaches the one bar before a rival; null where that is not known. */
export function leadOver(property: Property, rival: string): Lead | null {
  const found = (property.lead as Record<string, unknown> | null)?.[rival] as Lead | null | undefined;
  return found && typeof found.steps === "number" ? found : null;
}

/** From which step on a rival beats the probe; null where it never does or is not known. */
export function crossedBy(property: Property, rival: string): number | null {
  const found = property.crossover?.[rival];
  return found == null ? null : typeof found === "number" ? found : found.step;
}

const steps = (count: number): string => `${Math.abs(count)} ${Math.abs(count) === 1 ? "step" : "steps"}`;
const between = (lead: Lead): string => `${[lead.low, lead.high].map((x) => String(x).replace("-", "−")).join(" to ")}`;

/** When a rival reaches the probe's bar, beside the probe: later, earlier, or not to be told apart. */
export function compared(lead: Lead | null): string {
  if (!lead) return "never";
  if (lead.low > 0) return `${steps(lead.steps)} later (${between(lead)})`;
  if (lead.high < 0) return `${steps(lead.steps)} earlier (${between({ ...lead, low: -lead.high, high: -lead.low })})`;
  return `about the same (${between(lead)} later)`;
}

/** Say how much noise there is at a step, counted from 1. */
export function noiseAt(run: Run, step: number): string {
  const ratio = run.summary.noise?.[step - 1];
  if (run.summary.noise && ratio === null) return "nothing but noise";
  if (ratio == null) return "";
  return ratio >= 1 ? `${ratio.toFixed(1)}× more noise than signal` : `${(1 / ratio).toFixed(1)}× more signal than noise`;
}

/** A heading that the run's own intervals carry. */
export function heading(run: Run): string {
  const all = Object.values(run.summary.properties);
  const leads = (rival: string) => all.map((each) => leadOver(each, rival));
  const ahead = leads("image").filter((each) => each && each.low > 0).length;
  if (ahead === 0) return "Is the scene there before the picture shows it?";
  return ahead === all.length ? "The scene can be read before the picture shows it" : "Some of the scene can be read before the picture shows it";
}

/** One sentence on the fair rival, over all properties. */
export function rivalry(run: Run): string {
  const all = Object.entries(run.summary.properties).map(([name, each]) => ({ name, lead: leadOver(each, "estimate") }));
  const known = all.filter((each) => each.lead);
  if (known.length === 0) return "";
  const list = (names: string[]) => names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;
  const first = known.filter((each) => each.lead!.low > 0).map((each) => each.name);
  const later = known.filter((each) => each.lead!.high < 0).map((each) => each.name);
  const parts = [];
  if (first.length) parts.push(`For ${list(first)} the probe is earlier than the model's own predicted picture.`);
  if (later.length) parts.push(`For ${list(later)} the predicted picture shows it earlier than the probe.`);
  const rest = known.length - first.length - later.length;
  if (rest) parts.push(first.length || later.length ? "For the rest, neither is measurably first." : "Neither the probe nor the predicted picture is measurably first.");
  return parts.join(" ");
}

/** A score with its interval and the metric's name. */
export function scored(property: Property, source: string, step: number): string {
  const point = property.sources[source]?.by_step[step - 1];
  return `${METRICS[property.metric] ?? property.metric} ${fixed(point?.mean)}`;
}
