import * as Plot from "@observablehq/plot";
import { useEffect, useRef } from "preact/hooks";

import { fixed, METRICS, type Point, type Property } from "./data";

// Okabe & Ito's colours, as in the paper; lighter ones where they must stand on dark ground.
const PAINTS: Record<string, [string, string]> = {
  probe: ["#d55e00", "#ff8a3d"],
  image: ["#0072b2", "#56b4e9"],
  estimate: ["#00795a", "#2fd0a4"],
  latent: ["#a8508a", "#e69ac9"],
  random: ["#8a6100", "#e0b04a"],
  shuffled: ["#6e6e6e", "#a9a9a9"],
  position: ["#555555", "#c4c4c4"],
  ceiling: ["#111111", "#f2f2f2"],
};
export const isDark = (): boolean => matchMedia("(prefers-color-scheme: dark)").matches;
export const paint = (source: string): string => PAINTS[source]?.[isDark() ? 1 : 0] ?? "#6a51a3";

export function Chart(props: { draw: (width: number) => Element; label: string; height: number; depends: unknown[] }) {
  const place = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const draw = () => {
      const node = place.current;
      if (!node) return;
      const chart = props.draw(Math.min(node.clientWidth || 640, 860));
      chart.setAttribute("aria-hidden", "true");
      node.replaceChildren(chart);
    };
    draw();
    const scheme = matchMedia("(prefers-color-scheme: dark)");
    scheme.addEventListener("change", draw);
    addEventListener("resize", draw);
    return () => {
      scheme.removeEventListener("change", draw);
      removeEventListener("resize", draw);
    };
  }, props.depends);
  return <div class="chart" ref={place} role="img" aria-label={props.label} style={{ minHeight: props.height }} />;
}

type Row = Point & { step: number; source: string };
const rowsOf = (points: Point[], source: string): Row[] =>
  points.map((point, at) => ({ ...point, step: at + 1, source }));

/** Scores over steps with intervals, a line for each source. */
export function Curves(props: { property: Property; sources: string[]; step?: number; height?: number }) {
  const { property, sources } = props;
  const found = sources.filter((name) => property.sources[name]);
  const rows = found.flatMap((name) => rowsOf(property.sources[name]!.by_step, name));
  const height = props.height ?? 320;
  const label = found
    .map((name) => `${name}: ${fixed(property.sources[name]!.by_step[0]?.mean)} at step 1, ${fixed(property.sources[name]!.final.mean)} at the last`)
    .join("; ");
  const draw = (width: number) =>
    Plot.plot({
      width,
      height,
      marginRight: 70,
      style: { background: "transparent", fontSize: "13px" },
      x: { label: "denoising step", ticks: rows.length / found.length, tickFormat: "d" },
      y: { label: METRICS[property.metric] ?? property.metric, grid: true },
      marks: [
        Plot.areaY(rows, { x: "step", y1: "low", y2: "high", fill: (d: Row) => paint(d.source), z: "source", fillOpacity: 0.16 }),
        Plot.lineY(rows, { x: "step", y: "mean", stroke: (d: Row) => paint(d.source), z: "source", strokeWidth: (d: Row) => (d.source === "probe" ? 3 : 1.8) }),
        Plot.text(rows, Plot.selectLast({ x: "step", y: "mean", z: "source", text: "source", fill: (d: Row) => paint(d.source), dx: 6, textAnchor: "start" })),
        ...(props.step ? [Plot.ruleX([props.step], { strokeOpacity: 0.5, strokeDasharray: "3 3" })] : []),
        Plot.tip(rows, Plot.pointer({ x: "step", y: "mean", title: (d: Row) => `${d.source}, step ${d.step}\n${fixed(d.mean)} (${fixed(d.low)} … ${fixed(d.high)})` })),
      ],
    });
  return <Chart draw={draw} label={`Scores over steps. ${label}.`} height={height} depends={[property, props.step, sources.join()]} />;
}

/** One layer's curve with its interval. */
export function LayerCurve(props: { points: Point[]; metric: string; name: string; step: number }) {
  const rows = rowsOf(props.points, props.name);
  const draw = (width: number) =>
    Plot.plot({
      width,
      height: 240,
      style: { background: "transparent", fontSize: "13px" },
      x: { label: "denoising step", ticks: rows.length, tickFormat: "d" },
      y: { label: METRICS[props.metric] ?? props.metric, grid: true },
      marks: [
        Plot.areaY(rows, { x: "step", y1: "low", y2: "high", fill: paint("probe"), fillOpacity: 0.2 }),
        Plot.lineY(rows, { x: "step", y: "mean", stroke: paint("probe"), strokeWidth: 3 }),
        Plot.ruleX([props.step], { strokeOpacity: 0.5, strokeDasharray: "3 3" }),
      ],
    });
  return <Chart draw={draw} label={`${props.name}: ${fixed(rows[0]?.mean)} at step 1, ${fixed(rows.at(-1)?.mean)} at the last step.`} height={240} depends={[props.name, props.points, props.step]} />;
}

/** Every layer and step as a heat map. */
export function HeatMap(props: { property: Property; layers: string[]; range: [number, number] }) {
  const rows = props.layers.flatMap((layer) =>
    (props.property.layers[layer]?.by_step ?? []).map((point, at) => ({ layer, step: at + 1, ...point })),
  );
  const height = 60 + 18 * props.layers.length;
  const draw = (width: number) =>
    Plot.plot({
      width,
      height,
      marginLeft: 80,
      style: { background: "transparent", fontSize: "12px" },
      x: { label: "denoising step", type: "band", tickFormat: "d" },
      y: { label: null, domain: props.layers },
      color: { scheme: "viridis", domain: props.range, legend: true, label: METRICS[props.property.metric] ?? props.property.metric },
      marks: [
        Plot.cell(rows, { x: "step", y: "layer", fill: "mean", inset: 0.5 }),
        Plot.tip(rows, Plot.pointer({ x: "step", y: "layer", title: (d) => `${d.layer}, step ${d.step}\n${fixed(d.mean)} (${fixed(d.low)} … ${fixed(d.high)})` })),
      ],
    });
  return <Chart draw={draw} label="The probe's score at every layer and step; the table of layers has the same numbers." height={height} depends={[props.property]} />;
}
