import { interpolateTurbo, interpolateViridis } from "d3-scale-chromatic";
import { useEffect, useRef, useState } from "preact/hooks";

import { usePlace } from "./place";

/** Where a tile lies in its sheet, in pixels of the sheet. */
export type Tile = { sheet: string; left: number; top: number; width: number; height: number };
export type Colours = "none" | "mask" | "turbo" | "viridis";

/** How a property is coloured; one of three targets is red, green and blue itself. */
export const coloursOf = (property: string, targets = 1): Colours =>
  targets === 3 ? "none" : property === "depth" ? "turbo" : property === "saliency" ? "mask" : "viridis";

const tables = new Map<Colours, Uint8ClampedArray>();

/** A colour map as 256 times red, green and blue. */
export function tableOf(colours: Colours): Uint8ClampedArray {
  const known = tables.get(colours);
  if (known) return known;
  const table = new Uint8ClampedArray(256 * 3);
  for (let value = 0; value < 256; value++) {
    // A mask is white from its threshold on; what falls short of it glows.
    const grey = value > 127 ? 255 : value * 0.7;
    const scheme = colours === "turbo" ? interpolateTurbo : interpolateViridis;
    const rgb = colours === "mask" ? [grey, grey, grey] : numbersOf(scheme(value / 255));
    table.set(rgb, value * 3);
  }
  tables.set(colours, table);
  return table;
}

/** Read "rgb(1, 2, 3)" or "#010203". */
export function numbersOf(colour: string): number[] {
  if (colour.startsWith("#")) return [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
  return (colour.match(/[\d.]+/g) ?? []).slice(0, 3).map(Number);
}

const asked = new Map<string, Promise<HTMLImageElement>>();
const here = new Map<string, HTMLImageElement>();

/** Fetch a sheet once. One that failed is asked for again the next time. */
export function sheetAt(path: string): Promise<HTMLImageElement> {
  let found = asked.get(path);
  if (!found) {
    const image = new Image();
    image.src = path;
    found = image.decode().then(() => {
      here.set(path, image);
      return image;
    });
    found.catch(() => asked.delete(path));
    asked.set(path, found);
  }
  return found;
}

/** A part of a sheet whose darkest and brightest values span the colours, or none: 0 to 255. */
export type Span = { left: number; top: number; width: number; height: number };
const ODD = 0.02; // share of values at either end that may fall off

/** The low and high values of grey pixels, but for a few odd ones. */
export function rangeOf(values: Uint8ClampedArray): [number, number] {
  const counts = new Array<number>(256).fill(0);
  for (let at = 0; at < values.length; at += 4) counts[values[at]!]!++;
  const least = (values.length / 4) * ODD;
  const reach = (order: number[]) => {
    let seen = 0;
    return order.find((value) => (seen += counts[value]!) > least) ?? order.at(-1)!;
  };
  const low = reach([...counts.keys()]);
  const high = reach([...counts.keys()].reverse());
  return low < high ? [low, high] : [0, 255];
}

function pixelsOf(sheet: HTMLImageElement, part: Span): ImageData {
  const canvas = document.createElement("canvas");
  canvas.width = part.width;
  canvas.height = part.height;
  const context = canvas.getContext("2d", { willReadFrequently: true })!;
  context.drawImage(sheet, part.left, part.top, part.width, part.height, 0, 0, part.width, part.height);
  return context.getImageData(0, 0, part.width, part.height);
}

/** The grey values of a tile, once its sheet is here. */
export const tilePixels = async (tile: Tile): Promise<ImageData> => pixelsOf(await sheetAt(tile.sheet), tile);

function draw(canvas: HTMLCanvasElement, sheet: HTMLImageElement, tile: Tile, colours: Colours, span?: Span): void {
  const pixels = pixelsOf(sheet, tile);
  if (colours !== "none") {
    const table = tableOf(colours);
    const [low, high] = span ? rangeOf(pixelsOf(sheet, span).data) : [0, 255];
    for (let at = 0; at < pixels.data.length; at += 4) {
      const value = Math.min(Math.max(Math.round(((pixels.data[at]! - low) / (high - low)) * 255), 0), 255) * 3;
      pixels.data.set(table.subarray(value, value + 3), at);
    }
  }
  canvas.width = tile.width;
  canvas.height = tile.height;
  canvas.getContext("2d")!.putImageData(pixels, 0, 0);
  canvas.dataset.ready = "true";
}

/** Take what an earlier tile left: a map is never shown under a caption that is not its own. */
function clear(canvas: HTMLCanvasElement): void {
  canvas.getContext("2d")?.clearRect(0, 0, canvas.width, canvas.height);
  delete canvas.dataset.ready;
}

/** One tile of a sheet, coloured; empty until its sheet is here, and a word where it cannot be had. */
export function TileView(props: { tile: Tile; colours: Colours; label: string; span?: Span; onSettled?: () => void }) {
  const place = useRef<HTMLCanvasElement>(null);
  const [failed, setFailed] = useState("");
  const { tile, colours, span } = props;
  const sheetAddress = usePlace().locate(tile.sheet);
  useEffect(() => {
    let current = true;
    const show = (sheet: HTMLImageElement) => {
      if (!current || !place.current) return;
      draw(place.current, sheet, tile, colours, span);
      props.onSettled?.();
    };
    const known = here.get(sheetAddress);
    setFailed("");
    if (known) {
      show(known);
    } else {
      if (place.current) clear(place.current);
      sheetAt(sheetAddress).then(show, () => {
        if (!current) return;
        setFailed(tile.sheet);
        props.onSettled?.();
      });
    }
    return () => {
      current = false;
    };
  }, [tile.sheet, tile.left, tile.top, colours, span?.left, span?.top]);
  const isMissing = failed === tile.sheet;
  return (
    <span class="tile-place">
      <canvas ref={place} class="tile" role="img" aria-label={isMissing ? `${props.label}: could not be loaded` : props.label} />
      {isMissing && <span class="missing">could not be loaded</span>}
    </span>
  );
}
