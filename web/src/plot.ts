// What charts take of Plot, in a file of its own that is fetched when the first chart is drawn.

export { areaY, cell, dot, lineY, plot, pointer, ruleX, ruleY, text, tip } from "@observablehq/plot";
