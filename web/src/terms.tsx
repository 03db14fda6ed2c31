/** The words that this page cannot do without, each said in one line. */
export const TERMS: Record<string, string> = {
  probe: "A linear map from one layer's activations to a map of the picture, fitted on other pictures.",
  saliency: "Where the main object is: a mask.",
  depth: "How near each point of the scene is, up to scale.",
  shading: "How much light falls on each point, without the surface's own colour.",
  normals: "Which way each surface faces.",
  albedo: "The surface's own colour, without the light.",
  "noisy picture": "What the model works on at a step, x_t, decoded to pixels: at first nothing but noise.",
  "predicted picture": "The clean picture that the model predicts from the noise at a step, x̂₀, decoded to pixels.",
  labeler: "A network that reads masks or maps from ordinary pictures. Its reading of the final picture is the label.",
  Dice: "The overlap of two masks, from 0 (apart) to 1 (the same).",
  "Spearman": "Rank correlation of two maps, from −1 to 1.",
  "residual correlation": "What is left of the correlation of two maps once the place in the picture is known, from −1 to 1.",
  "place alone": "The baseline position: the mean label of the training pictures, blind to the picture.",
  "run with the caption": "The model runs twice a step, with the caption and without (the unconditional half); guidance weighs the two.",
  "one bar": "The same score for everyone: 90% of the way from knowing only the place to the probe's final score.",
};

/** A word that explains itself when it is pressed. */
export function Term({ word, children }: { word: keyof typeof TERMS & string; children?: preact.ComponentChildren }) {
  const id = `term-${word.replace(/\W/g, "-")}`;
  return (
    <>
      <button class="term" popovertarget={id} aria-describedby={id}>{children ?? word}</button>
      <span id={id} popover="auto" class="meaning">{TERMS[word]}</span>
    </>
  );
}

/** A line in which names of sources and options stand between backticks. */
export function Named({ text }: { text: string }) {
  return <>{text.split("`").map((part, at) => (at % 2 ? <code key={at}>{part}</code> : part))}</>;
}

/** All of them, for those who read first. */
export function Glossary() {
  return (
    <details class="glossary">
      <summary>Glossary</summary>
      <dl>{Object.entries(TERMS).map(([word, meaning]) => <div key={word}><dt>{word}</dt><dd>{meaning}</dd></div>)}</dl>
    </details>
  );
}
