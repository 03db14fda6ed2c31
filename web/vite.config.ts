import { defineConfig } from "vite";

export default defineConfig({
  base: "./", // the site works below any path
  build: { outDir: "../src/underpaint/site/static", emptyOutDir: true, target: "es2022" },
});
