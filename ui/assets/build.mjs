// Builds dist/: one style sheet, one script and the mark, named after their content, with a manifest that the Go
// package reads. PatternFly's sheet is cut down to what the pages use; Lucide's icons become CSS masks, because
// the content security policy allows no inline style and no icon font is worth a request.
import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import * as esbuild from "esbuild";

const here = path.dirname(fileURLToPath(import.meta.url));
const dist = path.join(here, "dist");
const packageFile = createRequire(import.meta.url).resolve;

/** All files below dir with one of the extensions. */
async function filesBelow(dir, extensions) {
  const entries = await readdir(dir, { withFileTypes: true, recursive: true });
  return entries
    .filter((e) => e.isFile() && extensions.includes(path.extname(e.name)))
    .map((e) => path.join(e.parentPath, e.name))
    .sort();
}

/** The tokens of the light and the dark theme, without the icon fonts and themes that Hostler does not offer. */
async function tokens() {
  const sheet = await readFile(packageFile("@patternfly/patternfly/patternfly-base-no-globals.css"), "utf8");
  const blocks = [":root {", ":root:where(.pf-v6-theme-dark) {"].map((selector) => {
    const found = [...sheet.matchAll(new RegExp("^" + selector.replace(/[.*+?^${}()|[\]\\]/g, "\\$&") + "[^}]*}", "gm"))];
    if (found.length === 0) throw new Error(`PatternFly has no block ${selector}`);
    return found.map((m) => m[0]).join("\n");
  });
  return blocks.join("\n");
}

/** One custom property per icon that a page, a style or a script names, and one class that uses it. */
async function icons() {
  const names = new Set();
  for (const file of await filesBelow(path.join(here, ".."), [".templ", ".css", ".ts"])) {
    if (file.startsWith(dist)) continue;
    for (const m of (await readFile(file, "utf8")).matchAll(/\b(?:Icon|Empty|fact|factTime)\("([a-z0-9-]+)"|var\(--icon-([a-z0-9-]+)\)/g)) {
      names.add(m[1] ?? m[2]);
    }
  }
  const rules = await Promise.all(
    [...names].sort().map(async (name) => {
      const svg = await readFile(packageFile(`lucide-static/icons/${name}.svg`), "utf8");
      const small = svg.replace(/<!--.*?-->/gs, "").replace(/\s+class="[^"]*"/, "").replace(/\s+/g, " ").replace(/> </g, "><").trim();
      return `:root{--icon-${name}:url("data:image/svg+xml,${encodeURIComponent(small)}")}.icon-${name}{--icon:var(--icon-${name})}`;
    }),
  );
  return rules.join("\n");
}

/** Serves "virtual:tokens" and "virtual:icons" to the style sheet's imports. */
const generated = {
  name: "generated",
  setup(build) {
    build.onResolve({ filter: /^virtual:/ }, (a) => ({ path: a.path, namespace: "generated" }));
    build.onLoad({ filter: /.*/, namespace: "generated" }, async (a) => ({
      contents: a.path === "virtual:icons" ? await icons() : await tokens(),
      loader: "css",
      resolveDir: here,
    }));
  },
};

// A declaration of a custom property in a minified sheet; strings and parentheses may hold semicolons.
const declaration = /(?<=[{;])(--[\w-]+):((?:"[^"]*"|\((?:[^()"]|"[^"]*"|\((?:[^()"]|"[^"]*"|\([^()]*\))*\))*\)|[^;{}"()])*)(;|(?=}))/g;

/** Drops custom properties that nothing reads, until nothing changes. */
function prune(css) {
  for (;;) {
    const used = new Set([...css.matchAll(/var\((--[\w-]+)/g)].map((m) => m[1]));
    const next = css.replace(declaration, (whole, name) => (used.has(name) ? whole : ""));
    if (next === css) return css;
    css = next;
  }
}

/** Repeats the rules of the dark theme for pages that follow the system. */
function followSystem(css) {
  const dark = [...css.matchAll(/(?<=[};]|^)[^{};@]*:where\(\.pf-v6-theme-dark\)[^{};]*{[^{}]*}/g)].map((m) => m[0]);
  if (dark.length === 0) throw new Error("no rule of the dark theme found");
  const rules = dark.join("").replaceAll(".pf-v6-theme-dark", ".theme-auto");
  return `${css}@media (prefers-color-scheme:dark){${rules}}`;
}

async function bundle() {
  const result = await esbuild.build({
    entryPoints: { app: path.join(here, "src/app.ts"), style: path.join(here, "src/app.css") },
    bundle: true,
    minify: true,
    write: false,
    outdir: dist,
    format: "esm",
    target: ["es2022", "chrome111", "firefox115", "safari16.4"],
    loader: { ".woff2": "file" },
    assetNames: "[name].[hash]",
    plugins: [generated],
    legalComments: "none",
    logLevel: "info",
  });
  const files = new Map();
  for (const f of result.outputFiles) {
    let name = path.basename(f.path);
    let body = Buffer.from(f.contents);
    if (name === "style.css") {
      name = "app.css";
      body = Buffer.from(followSystem(prune(body.toString("utf8"))));
    }
    files.set(name, body);
  }
  files.set("mark.svg", await readFile(path.join(here, "src/mark.svg")));
  return files;
}

async function write(files) {
  await mkdir(dist, { recursive: true });
  for (const name of await readdir(dist)) {
    if (name !== ".gitkeep") await rm(path.join(dist, name), { recursive: true });
  }
  const manifest = {};
  for (const [name, body] of [...files].sort()) {
    let hashed = name;
    if (!name.endsWith(".woff2")) {
      const hash = createHash("sha256").update(body).digest("hex").slice(0, 10);
      hashed = name.replace(/(\.\w+)$/, `.${hash}$1`);
    }
    manifest[name] = hashed;
    await writeFile(path.join(dist, hashed), body);
    const zipped = gzipSync(body, { level: 9 });
    if (zipped.length < body.length * 0.9) await writeFile(path.join(dist, `${hashed}.gz`), zipped);
    console.log(`${hashed}  ${body.length} bytes, ${Math.min(zipped.length, body.length)} compressed`);
  }
  await writeFile(path.join(dist, "manifest.json"), JSON.stringify(manifest, null, 2) + "\n");
}

await write(await bundle());
