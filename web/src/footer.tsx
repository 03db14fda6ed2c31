import type { Run } from "./data";

const CITATION = `@software{underpaint,
  title = {underpaint: see, measure and use the 3D scene inside a diffusion model},
  license = {MIT}
}

@article{chen2023beyond,
  title = {Beyond Surface Statistics: Scene Representations in a Latent Diffusion Model},
  author = {Chen, Yida and Viégas, Fernanda and Wattenberg, Martin},
  journal = {arXiv:2306.05720},
  year = {2023}
}`;

/** Where to go on from here: the paper of this run, its data, how to cite it, how to make one's own. */
export function Footer({ run }: { run: Run | null }) {
  const paper = run?.files.find((each) => each.endsWith("paper.pdf"));
  return (
    <footer>
      <p>
        {paper && <><a href={`downloads/${paper}`}>Paper of this run (PDF)</a> · </>}
        <a href="#/data">Data</a> · made with underpaint{run ? ` ${run.version}` : ""}, MIT licence
      </p>
      <p>Make your own: <code>underpaint run OUT --model CompVis/stable-diffusion-v1-4</code></p>
      <details><summary>Cite (BibTeX)</summary><pre tabIndex={0}>{CITATION}</pre></details>
    </footer>
  );
}
