// Builds one page with a bundler and its default target, as its user would: node bundler_build.mjs TOOLS NAME APP OUT.

import { createRequire } from "node:module";
import * as path from "node:path";
import process from "node:process";
import { pathToFileURL } from "node:url";

const [tools, name, app, out] = process.argv.slice(2);
const require = createRequire(path.join(tools, "package.json"));
const load = async (tool) => await import(pathToFileURL(require.resolve(tool)).href);

switch (name) {
  case "esbuild": {
    const esbuild = await load("esbuild");
    const entryPoints = [path.join(app, "main.js")];
    await esbuild.build({ entryPoints, bundle: true, format: "esm", outfile: path.join(out, "app.js") });
    break;
  }
  case "webpack": {
    const { default: webpack } = await load("webpack");
    const output = { path: out, filename: "app.js" };
    const stats = await new Promise((resolve, reject) =>
      webpack(
        { mode: "production", context: app, entry: "./main.js", output },
        (error, done) => error ? reject(error) : resolve(done),
      )
    );
    if (stats.hasErrors() || stats.hasWarnings()) {
      throw new Error(stats.toString({ all: false, errors: true, warnings: true }));
    }
    break;
  }
  default: {
    const manifest = require.resolve(`${name}/package.json`);
    const vite = await import(pathToFileURL(path.join(path.dirname(manifest), "dist/node/index.js")).href);
    const output = { entryFileNames: "app.js" };
    await vite.build({
      root: app,
      configFile: false,
      logLevel: "error",
      build: { outDir: out, emptyOutDir: true, rollupOptions: { output } },
    });
  }
}
