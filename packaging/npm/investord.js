#!/usr/bin/env node
// Runs the binary of the package for this platform, which npm has installed beside this one.
"use strict";

const { spawn } = require("node:child_process");

const PLATFORMS = require("../package.json").optionalDependencies;

function binary() {
  const isMusl = process.platform === "linux" && !process.report.getReport().header.glibcVersionRuntime;
  const platform = `${process.platform}-${process.arch}${isMusl ? "-musl" : ""}`;
  const name = `@investord/${platform}`;
  if (!(name in PLATFORMS)) {
    const known = Object.keys(PLATFORMS).map((one) => one.replace("@investord/", ""));
    throw new Error(`there is no build for ${platform}, but for ${known.join(", ")}; others: cargo install investord`);
  }
  try {
    return require.resolve(`${name}/bin/investord${process.platform === "win32" ? ".exe" : ""}`);
  } catch {
    throw new Error(`${name} is not installed: npm install without --omit=optional`);
  }
}

let child;
try {
  child = spawn(binary(), process.argv.slice(2), { stdio: "inherit" });
} catch (error) {
  console.error(`investord: ${error.message}`);
  process.exit(1);
}
// A terminal sends its signals to both; whoever stops this process alone means the binary. It decides when it ends.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
  process.on(signal, () => child.kill(signal));
}
child.on("error", (error) => {
  console.error(`investord: cannot run ${child.spawnfile}: ${error.message}`);
  process.exit(1);
});
child.on("exit", (code, signal) => {
  if (signal) {
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  } else {
    process.exit(code);
  }
});
