import { useEffect, useRef, useState } from "preact/hooks";

import { isEdge, isEmpty, type Mask, scaled, shifted, type Spot, stroke } from "./mask";
import type { Frame } from "./page";
import { Picture } from "./pictures";

export type Tool = "brush" | "eraser" | "move";

const NUDGE = 1 / 32; // of the width, for each arrow key
const GROW = 1.1;
const FILL = 110; // of 255, while a mask is being drawn
const MASK = [255, 122, 26] as const;

/** The picture with the mask over it, to be drawn on, dragged, or moved by keys. */
export function Board(props: {
  rows: number;
  cols: number;
  picture: Frame["picture"] | null;
  mask: Mask;
  outlined: boolean;
  tool: Tool;
  radius: number;
  put: (mask: Mask) => void;
  /** What is drawn or dragged, when the pointer lets go. */
  letGo: (mask: Mask) => void;
  /** The picture without the mask, shown over this share of the width from the left. */
  before: { picture: Frame["picture"]; share: number } | null;
  /** A stored picture to show until there is another. */
  still: string | null;
  undo: () => void;
  children: preact.ComponentChildren;
}) {
  const { rows, cols, mask, tool, radius, outlined } = props;
  const overlay = useRef<HTMLCanvasElement>(null);
  const [takesTouch, setTakesTouch] = useState(false);
  const drawing = useRef<{ from: Spot; begun: Mask; now: Mask } | null>(null);

  const show = (shown: Mask, isOutline: boolean) => {
    const pixels = new Uint8ClampedArray(rows * cols * 4);
    shown.bytes.forEach((value, at) => {
      if (!value) return;
      const edge = isEdge(shown, at % cols, Math.floor(at / cols));
      pixels.set([...MASK, edge ? 255 : isOutline ? 0 : FILL], at * 4);
    });
    overlay.current?.getContext("2d")?.putImageData(new ImageData(pixels, cols, rows), 0, 0);
  };
  useEffect(() => show(mask, outlined), [mask, outlined]);

  const spotOf = (event: PointerEvent): Spot => {
    const box = overlay.current!.getBoundingClientRect();
    return { x: ((event.clientX - box.left) / box.width) * cols, y: ((event.clientY - box.top) / box.height) * rows };
  };
  const draw = (event: PointerEvent) => {
    const held = drawing.current;
    if (!held) return;
    const spot = spotOf(event);
    if (tool === "move") {
      held.now = shifted(held.begun, Math.round(spot.x - held.from.x), Math.round(spot.y - held.from.y));
    } else {
      held.now = stroke(held.now, held.from, spot, radius, tool === "brush" ? 1 : 0);
      held.from = spot;
    }
    show(held.now, false);
  };
  const begin = (event: PointerEvent) => {
    if (event.button !== 0 || (event.pointerType === "touch" && !takesTouch)) return; // a swipe scrolls
    (event.currentTarget as HTMLElement).setPointerCapture(event.pointerId);
    drawing.current = { from: spotOf(event), begun: mask, now: mask };
    draw(event);
  };
  const end = () => {
    const held = drawing.current;
    drawing.current = null;
    if (held && held.now !== held.begun) props.letGo(held.now);
  };
  const press = (event: KeyboardEvent) => {
    const far = Math.max(1, Math.round(cols * NUDGE));
    const moves: Record<string, () => Mask> = {
      ArrowLeft: () => shifted(mask, -far, 0),
      ArrowRight: () => shifted(mask, far, 0),
      ArrowUp: () => shifted(mask, 0, -far),
      ArrowDown: () => shifted(mask, 0, far),
      "+": () => scaled(mask, GROW),
      "-": () => scaled(mask, 1 / GROW),
    };
    if (event.key === "z" && (event.ctrlKey || event.metaKey)) props.undo();
    else if (moves[event.key] && !isEmpty(mask)) props.put(moves[event.key]!());
    else return;
    event.preventDefault();
  };
  return (
      <div class={`board ${tool}`} role="application" aria-label="Picture and mask" aria-describedby="board-keys" tabIndex={0}
        style={{ aspectRatio: `${cols} / ${rows}` }} onKeyDown={press}>
        {props.still && <img class="still" src={props.still} alt="A stored picture of these words" />}
        <Picture rows={rows} cols={cols} picture={props.picture} label={props.picture ? "The picture so far" : "No picture yet"} kind="picture" />
        {props.before && props.before.share > 0 && (
          <div class="before" style={{ clipPath: `inset(0 ${100 - 100 * props.before.share}% 0 0)` }}>
            <Picture rows={rows} cols={cols} picture={props.before.picture} label="The picture without a mask" kind="whole" />
          </div>
        )}
        <canvas ref={overlay} class={takesTouch ? "mask drawing" : "mask"} width={cols} height={rows} role="img" aria-label={isEmpty(mask) ? "No mask" : "Your mask"}
          onPointerDown={begin} onPointerMove={draw} onPointerUp={end} onPointerCancel={end} />
        <button type="button" class="touching" aria-pressed={takesTouch} onClick={() => setTakesTouch(!takesTouch)}>{takesTouch ? "Done drawing" : "Draw with a finger"}</button>
        {props.children}
      </div>
  );
}
