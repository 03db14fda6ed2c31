import { defaultClientConditions, defineConfig } from "vite";

// Some hosts do not know .mjs for a script.
const assetFileNames = ({ names }: { names: string[] }) =>
  `assets/[name]-[hash]${names[0]?.endsWith(".mjs") ? ".js" : "[extname]"}`;

export default defineConfig({
  base: "./", // the site works below any path
  build: {
    outDir: "../src/underpaint/site/static",
    emptyOutDir: true,
    target: "es2022",
    rolldownOptions: { output: { assetFileNames } },
  },
  worker: { format: "es", rolldownOptions: { output: { assetFileNames } } },
  // The runtime's WebAssembly stays in files of its own, fetched when the paint view is opened.
  resolve: { conditions: ["onnxruntime-web-use-extern-wasm", ...defaultClientConditions] },
});
