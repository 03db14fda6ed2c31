import { useEffect, useRef } from "preact/hooks";

import { coloursOf, tableOf } from "../tiles";
import { type Frame, type Read, shades } from "./page";

/** A picture on a canvas, or an empty place of its size. */
export function Picture(props: { rows: number; cols: number; picture: Frame["picture"] | null; label: string; kind?: string }) {
  const place = useRef<HTMLCanvasElement>(null);
  const { rows, cols, picture } = props;
  useEffect(() => {
    const context = place.current?.getContext("2d");
    if (picture) context?.putImageData(new ImageData(picture, cols, rows), 0, 0);
    else context?.clearRect(0, 0, cols, rows);
  }, [picture, rows, cols]);
  return <canvas ref={place} class={props.kind ?? "tile"} width={cols} height={rows} role="img" aria-label={props.label} />;
}

/** What a probe reads, in the colours of its property. */
export function Reading(props: { name: string; read: Read; values: Float32Array | null; step: number }) {
  const { name, read, values, step } = props;
  const [rows, cols] = read.grid;
  let picture: Frame["picture"] | null = null;
  if (values) {
    picture = new Uint8ClampedArray(rows * cols * 4).fill(255);
    const found = shades(read, values, step);
    if (read.targets === 3) {
      found.forEach((shade, at) => (picture![(at % (rows * cols)) * 4 + Math.floor(at / (rows * cols))] = shade));
    } else {
      const table = tableOf(coloursOf(name));
      found.forEach((shade, at) => picture!.set(table.subarray(shade * 3, shade * 3 + 3), at * 4));
    }
  }
  return <Picture rows={rows} cols={cols} picture={picture} label={`${name} read by the probe at step ${step + 1}`} />;
}
