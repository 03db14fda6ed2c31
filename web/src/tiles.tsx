import { interpolateTurbo, interpolateViridis } from "d3-scale-chromatic";
import { useEffect, useRef } from "preact/hooks";

/** Where a tile lies in its sheet, in pixels of the sheet. */
export type Tile = { sheet: string; left: number; top: number; width: number; height: number };
export type Colours = "none" | "mask" | "turbo" | "viridis";

export const coloursOf = (property: string): Colours =>
  property === "depth" ? "turbo" : property === "saliency" ? "mask" : "viridis";

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

const sheets = new Map<string, Promise<HTMLImageElement>>();

export function sheetAt(path: string): Promise<HTMLImageElement> {
  let found = sheets.get(path);
  if (!found) {
    const image = new Image();
    image.src = path;
    found = image.decode().then(() => image);
    sheets.set(path, found);
  }
  return found;
}

/** One tile of a sheet, coloured. */
export function TileView(props: { tile: Tile; colours: Colours; label: string }) {
  const place = useRef<HTMLCanvasElement>(null);
  const { tile, colours } = props;
  useEffect(() => {
    let current = true;
    void sheetAt(tile.sheet).then((sheet) => {
      const canvas = place.current;
      const context = canvas?.getContext("2d", { willReadFrequently: true });
      if (!current || !canvas || !context) return;
      canvas.width = tile.width;
      canvas.height = tile.height;
      context.drawImage(sheet, tile.left, tile.top, tile.width, tile.height, 0, 0, tile.width, tile.height);
      if (colours !== "none") {
        const pixels = context.getImageData(0, 0, tile.width, tile.height);
        const table = tableOf(colours);
        for (let at = 0; at < pixels.data.length; at += 4) {
          const value = pixels.data[at]! * 3;
          pixels.data.set(table.subarray(value, value + 3), at);
        }
        context.putImageData(pixels, 0, 0);
      }
      canvas.dataset.ready = "true";
    });
    return () => {
      current = false;
    };
  }, [tile.sheet, tile.left, tile.top, colours]);
  return <canvas ref={place} class="tile" role="img" aria-label={props.label} />;
}
