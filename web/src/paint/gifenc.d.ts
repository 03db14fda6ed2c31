// What is used of gifenc, which comes without types.
declare module "gifenc" {
  type Palette = number[][];
  type Encoder = { writeFrame(index: Uint8Array, width: number, height: number, options: { palette: Palette; delay: number }): void; finish(): void; bytes(): Uint8Array<ArrayBuffer> };
  export function GIFEncoder(): Encoder;
  /** Choose so many colours for pixels of four bytes. */
  export function quantize(pixels: Uint8ClampedArray, colours: number): Palette;
  /** Give each pixel's place in a palette. */
  export function applyPalette(pixels: Uint8ClampedArray, palette: Palette): Uint8Array;
}
