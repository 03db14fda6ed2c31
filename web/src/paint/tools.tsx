import type { Tool } from "./board";

/** What to do with the mask. */
export function Tools(props: { tool: Tool; setTool: (tool: Tool) => void; size: number; setSize: (size: number) => void }) {
  const tools: Record<Tool, string> = { brush: "Draw", eraser: "Erase", move: "Drag" };
  return (
    <div class="buttons" role="group" aria-label="Tools for the mask">
      {Object.entries(tools).map(([key, title]) => (
        <button key={key} aria-pressed={key === props.tool} onClick={() => props.setTool(key as Tool)}>{title}</button>
      ))}
      <label class="brush">Brush <input type="range" min="0.04" max="0.4" step="0.02" value={props.size} aria-valuetext={`${Math.round(props.size * 100)}% of the width`} onInput={(event) => props.setSize(Number(event.currentTarget.value))} /></label>
    </div>
  );
}

/** How far the model is fetched. */
export function Loading({ done, total }: { done: number; total: number }) {
  const megabytes = (bytes: number) => (bytes / 1e6).toFixed(0);
  const isHere = done === total;
  return (
    <div class="loading">
      <label>{isHere ? "Starting the model…" : done ? `Fetching the model: ${megabytes(done)} of ${megabytes(total)} MB` : "Fetching the model…"}
        <progress max="1" value={done / total} />
      </label>
    </div>
  );
}

