import { useEffect, useRef } from "preact/hooks";

import { fixed, METRICS, type Point, type Property, sourceOf } from "./data";
import type * as Plots from "./plot";
import { spread } from "./spread";

// What is no source of scores but is drawn beside them.
const PAINTS: Record<string, [string, string]> = {
  conditional: ["#d55e00", "#ff8a3d"],
  unconditional: ["#a8508a", "#e69ac9"],
  blank: ["#8a6100", "#e0b04a"],
};
export const isDark = (): boolean => matchMedia("(prefers-color-scheme: dark)").matches;
// For what has no colour of its own, in the order in which it is drawn.
const ORDERED: [string, string][] = [["#0072b2", "#56b4e9"], ["#d55e00", "#ff8a3d"], ["#00795a", "#2fd0a4"], ["#a8508a", "#e69ac9"], ["#8a6100", "#e0b04a"], ["#6e6e6e", "#a9a9a9"]];
export const ordered = (place: number): string => ORDERED[place % ORDERED.length]![isDark() ? 1 : 0];
export const paint = (name: string): string => {
  const source = sourceOf(name);
  return (source && [source.colour, source.dark][isDark() ? 1 : 0]) ?? PAINTS[name]?.[isDark() ? 1 : 0] ?? (isDark() ? "#b3a2e6" : "#6a51a3");
};

export type Plotting = typeof Plots;
/** Fetched when the first chart is to be drawn: no picture waits for it. */
const plotting = (): Promise<Plotting> => import("./plot");

export function Chart(props: { draw: (width: number, Plot: Plotting) => Element; label: string; height: number; depends: unknown[] }) {
  const place = useRef<HTMLDivElement>(null);
  useEffect(() => {
    let current = true;
    const draw = async () => {
      const Plot = await plotting().catch(() => null);
      const node = place.current;
      if (!node || !current) return;
      if (!Plot) {
        node.textContent = "The chart could not be loaded.";
        return;
      }
      const chart = props.draw(Math.min(node.clientWidth || 640, 860), Plot);
      chart.setAttribute("aria-hidden", "true");
      node.replaceChildren(chart);
    };
    void draw();
    const scheme = matchMedia("(prefers-color-scheme: dark)");
    scheme.addEventListener("change", draw);
    addEventListener("resize", draw);
    return () => {
      current = false;
      scheme.removeEventListener("change", draw);
      removeEventListener("resize", draw);
    };
  }, props.depends);
  return <div class="chart" ref={place} role="img" aria-label={props.label} style={{ minHeight: props.height }} />;
}

export type Line = { name: string; colour: () => string; points: Point[]; isBold?: boolean };
type Row = Point & { step: number; line: Line };

const LABEL_GAP = 16;

/** Lines over steps with their intervals; each is named at its end, where no name covers another. */
export function Lines(props: { lines: Line[]; steps: number; label: string; title: string; at?: number[]; axis?: string; step?: number; height?: number; range?: [number, number]; gaps?: string; levels?: { value: number; colour: () => string }[] }) {
  const { lines, steps } = props;
  const height = props.height ?? 320;
  const places = props.at ?? Array.from({ length: steps }, (_, at) => at + 1);
  const [first = 1, last = 1] = [places[0], places.at(-1)];
  const rows: Row[] = lines.flatMap((line) => line.points.map((point, at) => ({ ...point, step: places[at] ?? at + 1, line })));
  const inks = rows.flatMap((row) => [row.low, row.high, row.mean]).filter((x): x is number => x != null);
  const domain = props.range ?? [Math.min(0, ...inks), Math.max(...inks)];
  const draw = (width: number, Plot: Plotting) => {
    const marginBottom = 44;
    const marginTop = 26;
    const scale = (value: number) => marginTop + ((domain[1] - value) / (domain[1] - domain[0] || 1)) * (height - marginTop - marginBottom);
    const named = lines.filter((line) => line.points.at(-1)?.mean != null);
    const ends = named.map((line) => scale(line.points.at(-1)!.mean!));
    const moved = spread(ends, LABEL_GAP, [marginTop, height - marginBottom]);
    const names = named.map((line, at) =>
      Plot.text([line], { x: last, y: line.points.at(-1)!.mean!, text: (d: Line) => d.name, fill: line.colour(), fontWeight: line.isBold ? 650 : 450, dx: 8, dy: moved[at]! - ends[at]!, textAnchor: "start" }),
    );
    const longest = Math.max(...lines.map((line) => line.name.length));
    const marginRight = Math.min(16 + 7.4 * longest, width * 0.45);
    return Plot.plot({
      width,
      height,
      marginTop,
      marginBottom,
      marginRight,
      style: { background: "transparent", fontSize: "13px" },
      x: { label: props.axis ?? `denoising step of ${steps}`, labelAnchor: "center", labelArrow: "none", labelOffset: 38, domain: first === last ? [first - 0.5, last + 0.5] : [first, last], ticks: props.at ? roomy(props.at, width - marginRight - 40) : ticksOf(steps, width), tickFormat: String },
      y: { label: props.title, labelArrow: "none", grid: true, domain, nice: !props.range },
      marks: [
        ...(props.levels ?? []).map((level) => Plot.ruleY([level.value], { stroke: level.colour(), strokeDasharray: "1 4" })),
        Plot.areaY(rows, { x: "step", y1: "low", y2: "high", fill: (d: Row) => d.line.colour(), z: (d: Row) => d.line.name, fillOpacity: 0.14, clip: true }),
        ...(props.step !== undefined ? [Plot.ruleX([props.step], { strokeOpacity: 0.45, strokeDasharray: "3 3" })] : []),
        Plot.lineY(rows, { x: "step", y: "mean", stroke: (d: Row) => d.line.colour(), z: (d: Row) => d.line.name, strokeWidth: (d: Row) => (d.line.isBold ? 3 : 1.8), strokeLinejoin: "round" }),
        // A step between two gaps is no line.
        Plot.dot(rows.filter((row) => row.mean != null && gapped.has(row.line.name)), { x: "step", y: "mean", r: 3.5, fill: (d: Row) => d.line.colour() }),
        ...names,
        Plot.tip(rows, Plot.pointer({ x: "step", y: "mean", title: (d: Row) => `${d.line.name}, ${props.axis ? "strength" : "step"} ${d.step}\n${fixed(d.mean)}${d.low == null ? "" : ` (${fixed(d.low)} … ${fixed(d.high)})`}`, fill: "var(--panel)", stroke: "var(--line)" })),
      ],
    });
  };
  const gapped = new Set(lines.filter(hasGaps).map((line) => line.name));
  const said = lines.map((line) => `${line.name}: ${fixed(line.points[0]?.mean)} first, ${fixed(line.points.at(-1)?.mean)} last`).join("; ");
  return (
    <>
      <Chart draw={draw} label={`${props.label}. ${said}.`} height={height} depends={[JSON.stringify(rows.map((row) => [row.line.name, row.mean])), props.step, props.title, props.label]} />
      {gapped.size > 0 && <p class="soft gaps">{props.gaps || `Gaps: not measured at these steps (${[...gapped].join(", ")}).`}</p>}
    </>
  );
}

/** Whether a line has steps with a value and steps without. */
export const hasGaps = (line: { points: { mean: number | null }[] }): boolean => line.points.some((point) => point.mean == null) && line.points.some((point) => point.mean != null);

/** Choose ticks that have room: every step, or every so many and the last one. */
export function ticksOf(steps: number, width: number): number[] {
  const every = Math.max(1, Math.ceil((steps * 26) / Math.max(width - 120, 100)));
  const ticks = Array.from({ length: steps }, (_, at) => at + 1).filter((step) => (step - 1) % every === 0);
  return every === 1 ? ticks : [...ticks.filter((step) => step === 1 || steps - step >= every * 0.7), steps];
}

/** Keep those of some places on an axis so long that have room, both ends among them. */
export function roomy(places: number[], length: number): number[] {
  const [first, last] = [places[0]!, places.at(-1)!];
  const gap = (26 * (last - first)) / Math.max(length, 1);
  const kept = places.reduce<number[]>((found, each) => (found.length && each - found.at(-1)! < gap ? found : [...found, each]), []);
  return last === kept.at(-1) ? kept : [...kept.filter((each) => last - each >= gap), last];
}

/** Scores over steps with intervals, a line for each source. */
export function Curves(props: { name: string; property: Property; sources: string[]; height?: number; gaps?: string }) {
  const { property } = props;
  const lines = props.sources
    .filter((name) => property.sources[name])
    .map((name) => ({ name, colour: () => paint(name), points: property.sources[name]!.by_step, isBold: name === "probe" }));
  return <Lines lines={lines} steps={lines[0]?.points.length ?? 1} title={METRICS[property.metric] ?? property.metric} label={`Scores of ${props.name} over steps`} height={props.height} gaps={props.gaps && `Gaps: ${props.gaps}`} />;
}

/** One layer's curve with its interval. */
export function LayerCurve(props: { points: Point[]; metric: string; name: string; property: string; step: number }) {
  const lines = [{ name: props.name, colour: () => paint("probe"), points: props.points, isBold: true }];
  return <Lines lines={lines} steps={props.points.length} title={METRICS[props.metric] ?? props.metric} label={`${props.property} at ${props.name}`} step={props.step} height={240} />;
}

/** Every layer and step as a heat map. */
export function HeatMap(props: { property: Property; layers: string[]; range: [number, number] }) {
  const rows = props.layers.flatMap((layer) =>
    (props.property.layers[layer]?.by_step ?? []).map((point, at) => ({ layer, step: at + 1, ...point })),
  );
  const height = 70 + 18 * props.layers.length;
  const steps = Math.max(...rows.map((row) => row.step));
  const draw = (width: number, Plot: Plotting) =>
    Plot.plot({
      width,
      height,
      marginLeft: 16 + 7.4 * Math.max(...props.layers.map((layer) => layer.length)),
      style: { background: "transparent", fontSize: "12px" },
      marginBottom: 44,
      x: { label: `denoising step of ${steps}`, labelAnchor: "center", labelArrow: "none", labelOffset: 38, type: "band", ticks: ticksOf(steps, width), tickFormat: "d" },
      y: { label: null, domain: props.layers },
      color: { scheme: "viridis", domain: props.range, legend: true, label: METRICS[props.property.metric] ?? props.property.metric },
      marks: [
        Plot.cell(rows, { x: "step", y: "layer", fill: "mean", inset: 0.5 }),
        Plot.tip(rows, Plot.pointer({ x: "step", y: "layer", title: (d) => `${d.layer}, step ${d.step}\n${fixed(d.mean)} (${fixed(d.low)} … ${fixed(d.high)})`, fill: "var(--panel)", stroke: "var(--line)" })),
      ],
    });
  return <Chart draw={draw} label="The probe's score at every layer and step; the table below it has the same numbers." height={height} depends={[props.property]} />;
}
