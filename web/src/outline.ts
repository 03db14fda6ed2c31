// The outline of a mask, as a path of an SVG whose unit is one pixel of the mask.

/** Draw the edges between foreground and the rest; runs of one direction become one line. */
export function outline(isInside: (row: number, col: number) => boolean, height: number, width: number): string {
  const parts: string[] = [];
  const edges = (lines: number, places: number, isEdge: (line: number, place: number) => boolean, draw: (line: number, from: number, to: number) => string) => {
    for (let line = 0; line <= lines; line++) {
      let from = -1;
      for (let place = 0; place <= places; place++) {
        const is = place < places && isEdge(line, place);
        if (is && from < 0) from = place;
        if (!is && from >= 0) {
          parts.push(draw(line, from, place));
          from = -1;
        }
      }
    }
  };
  const inside = (row: number, col: number) => row >= 0 && col >= 0 && row < height && col < width && isInside(row, col);
  edges(height, width, (row, col) => inside(row, col) !== inside(row - 1, col), (row, from, to) => `M${from} ${row}H${to}`);
  edges(width, height, (col, row) => inside(row, col) !== inside(row, col - 1), (col, from, to) => `M${col} ${from}V${to}`);
  return parts.join("");
}
