// Pictures to keep: one as it is, or two beside each other with what was asked for below.

import type { Frame } from "./page";

const SIDE = 512; // pixels of each picture on a card
const FOOT = 76;

/** Hand a canvas to the visitor as a PNG. */
export function download(canvas: HTMLCanvasElement | null, name: string): void {
  canvas?.toBlob((blob) => {
    if (!blob) return;
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href));
  });
}

/** Lay the picture without a mask beside the one with it, over their words. */
export function cardOf(before: Frame["picture"], after: Frame["picture"], rows: number, cols: number, lines: [string, string]): HTMLCanvasElement {
  const card = document.createElement("canvas");
  const high = Math.round((SIDE * rows) / cols);
  card.width = 2 * SIDE;
  card.height = high + FOOT;
  const pen = card.getContext("2d")!;
  pen.fillStyle = "#151412";
  pen.fillRect(0, 0, card.width, card.height);
  [before, after].forEach((pixels, at) => {
    const small = document.createElement("canvas");
    small.width = cols;
    small.height = rows;
    small.getContext("2d")!.putImageData(new ImageData(pixels, cols, rows), 0, 0);
    pen.drawImage(small, at * SIDE, 0, SIDE, high);
  });
  pen.fillStyle = "#f1ede7";
  pen.font = "italic 24px Georgia, serif";
  pen.fillText(lines[0], 20, high + 32, card.width - 40);
  pen.fillStyle = "#b5aea5";
  pen.font = "18px system-ui, sans-serif";
  pen.fillText(lines[1], 20, high + 60, card.width - 40);
  return card;
}
