import { useEffect, useState } from "preact/hooks";

/** A slider over a few places with a button that plays through them. */
export function Player(props: { label: string; places: number; place: number; onPlace: (place: number) => void; text?: string; pause?: number }) {
  const { places, place, onPlace } = props;
  const [playing, setPlaying] = useState(false);
  useEffect(() => {
    if (!playing) return;
    const timer = setTimeout(() => onPlace((place + 1) % places), props.pause ?? 450);
    return () => clearTimeout(timer);
  }, [playing, place, places]);
  return (
    <span class="player">
      <button onClick={() => setPlaying(!playing)}>{playing ? "Stop" : "Play"}</button>
      <label>
        {props.label}{" "}
        <input type="range" min="0" max={places - 1} value={place} aria-valuetext={props.text ?? props.label} onInput={(event) => onPlace(Number(event.currentTarget.value))} />
      </label>
    </span>
  );
}
