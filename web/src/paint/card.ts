// Pictures to keep: one as it is, two beside each other with what was asked for below, or one coming into being.

import type { Frame } from "./page";

const SIDE = 512; // pixels of each picture on a card that stands still
const MOVING_SIDE = 256; // and on one that moves
const FOOT = 76 / 512; // height of the words, of a picture's width
const COLOURS = 256; // all that a GIF can hold in one frame
const STEP_MS = 250;
const LAST_MS = 2500;

type Picture = Frame["picture"];

/** Hand a file to the visitor. */
function hand(blob: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href));
}

/** Hand a canvas to the visitor as a PNG. */
export function download(canvas: HTMLCanvasElement | null, name: string): void {
  canvas?.toBlob((blob) => blob && hand(blob, name));
}

/** Hand a picture that comes into being to the visitor as a GIF, beside the one without a mask if there is one. */
export async function downloadMoving(before: Picture | null, steps: Picture[], rows: number, cols: number, lines: [string, string], name: string): Promise<void> {
  const { GIFEncoder, applyPalette, quantize } = await import("gifenc"); // fetched when it is asked for
  const gif = GIFEncoder();
  steps.forEach((picture, at) => {
    const card = cardOf(before ? [before, picture] : [picture], rows, cols, lines, MOVING_SIDE);
    const { data } = card.getContext("2d")!.getImageData(0, 0, card.width, card.height);
    const palette = quantize(data, COLOURS);
    gif.writeFrame(applyPalette(data, palette), card.width, card.height, { palette, delay: at === steps.length - 1 ? LAST_MS : STEP_MS });
  });
  gif.finish();
  hand(new Blob([gif.bytes()], { type: "image/gif" }), name);
}

/** Lay pictures beside each other, over their words. */
export function cardOf(pictures: Picture[], rows: number, cols: number, lines: [string, string], side = SIDE): HTMLCanvasElement {
  const card = document.createElement("canvas");
  const high = Math.round((side * rows) / cols);
  const part = side / SIDE;
  card.width = pictures.length * side;
  card.height = high + Math.round(side * FOOT);
  const pen = card.getContext("2d", { willReadFrequently: true })!;
  pen.fillStyle = "#151412";
  pen.fillRect(0, 0, card.width, card.height);
  pictures.forEach((pixels, at) => {
    const small = document.createElement("canvas");
    small.width = cols;
    small.height = rows;
    small.getContext("2d")!.putImageData(new ImageData(pixels, cols, rows), 0, 0);
    pen.drawImage(small, at * side, 0, side, high);
  });
  pen.fillStyle = "#f1ede7";
  pen.font = `italic ${24 * part}px Georgia, serif`;
  pen.fillText(lines[0], 20 * part, high + 32 * part, card.width - 40 * part);
  pen.fillStyle = "#b5aea5";
  pen.font = `${18 * part}px system-ui, sans-serif`;
  pen.fillText(lines[1], 20 * part, high + 60 * part, card.width - 40 * part);
  return card;
}
