/*
 * What all measurements share: records to write, medians, and a file of results beside the
 * machine that they were seen on.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { arch, cpus, loadavg, platform, release, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const DIMENSIONS = 384;

/** Address of a file of the built package. */
export const dist = (path) => new URL(`../../dist/${path}`, import.meta.url).href;

export const median = (values) => quantile(values, 0.5);

export function quantile(values, share) {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
}

export const round = (value, digits = 1) => Number(value.toFixed(digits));

/** A folder of its own, removed afterwards. `BRAINY_BENCH_FOLDER` says on which disk. */
export async function inFolder(run) {
  const folder = mkdtempSync(join(process.env.BRAINY_BENCH_FOLDER ?? tmpdir(), "brainy-bench-"));
  try {
    return await run(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Pseudo-random vectors from few numbers: what is measured must not be their making. */
export function vectorPool(count, random) {
  return Array.from({ length: count }, () =>
    Float32Array.from({ length: DIMENSIONS }, () => random.next() * 2 - 1),
  );
}

/** `count` records of a vector and three metadata fields. */
export function* records(count, pool) {
  for (let i = 0; i < count; i++) {
    const metadata = { category: `category ${i % 20}`, price: i % 1_000, year: 1990 + (i % 35) };
    yield { id: `record-${i}`, vector: pool[i % pool.length], metadata };
  }
}

/** Runs a script of this folder in a fresh process; its last line is JSON. */
export function inFreshProcess(script, ...args) {
  const path = fileURLToPath(new URL(`../${script}`, import.meta.url));
  const options = { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] };
  const output = execFileSync(process.execPath, ["--expose-gc", path, ...args], options);
  return JSON.parse(output.trimEnd().split("\n").at(-1));
}

/** Prints results and writes them to `results/<name>.json`, with the machine's load before. */
export function report(name, results, loadBefore) {
  const machine = {
    cpu: cpus()[0]?.model,
    cores: cpus().length,
    memoryGiB: round(totalmem() / 2 ** 30),
    platform: `${platform()} ${release()} ${arch()}`,
    node: process.version,
    loadBefore: loadBefore.map((load) => round(load, 2)),
    loadAfter: loadavg().map((load) => round(load, 2)),
  };
  const folder = new URL("../results/", import.meta.url);
  mkdirSync(folder, { recursive: true });
  const document = { name, date: new Date().toISOString(), machine, results };
  writeFileSync(new URL(`${name}.json`, folder), `${JSON.stringify(document, undefined, 2)}\n`);
  console.log(JSON.stringify({ name, load: machine.loadBefore[0], ...results }, undefined, 2));
}
