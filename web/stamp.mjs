// Note which sources the built page came from, so that a test finds a stale build without Node.
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";

const files = [
  ...readdirSync("src", { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => `${entry.parentPath}/${entry.name}`),
  ...["index.html", "package.json", "package-lock.json", "tsconfig.json", "vite.config.ts", "vite.widget.config.ts"],
].sort();
const hash = createHash("sha256");
for (const file of files) {
  hash.update(`${file}\n`);
  hash.update(readFileSync(file));
}
const stamp = { sources: `sha256:${hash.digest("hex")}` };
writeFileSync("../src/underpaint/site/static/build.json", JSON.stringify(stamp) + "\n");
