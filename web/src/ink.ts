/** What is written on a colour, given as red, green and blue up to 255: black or white, whichever stands out more. */
export const inkOn = (ground: number[]): "#000" | "#fff" =>
  contrast(luminance(ground), 0) >= contrast(luminance(ground), 1) ? "#000" : "#fff";

/** Contrast ratio of two relative luminances, 1 to 21 (WCAG 2.2). */
export const contrast = (a: number, b: number): number => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);

/** Relative luminance of an sRGB colour, 0 to 1 (WCAG 2.2). */
export function luminance(rgb: number[]): number {
  const [r = 0, g = 0, b = 0] = rgb.map((byte) => {
    const value = byte / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}
