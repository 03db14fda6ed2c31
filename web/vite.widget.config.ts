import { defineConfig } from "vite";

// One file beside the page, for notebooks: see src/widget.tsx.
export default defineConfig({
  build: {
    outDir: "../src/underpaint/site/static",
    emptyOutDir: false,
    target: "es2022",
    cssTarget: ["chrome123", "firefox120", "safari17.5"], // light-dark() as it is: the notebook says which
    lib: { entry: "src/widget.tsx", formats: ["es"], fileName: () => "widget.js" },
  },
});
