import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";

/** Real data lives beside the checkout and is no part of it. */
const ROOT = new URL("../../../shared/data/", import.meta.url);

/** Vectors that nobody on this project wrote, with their exact nearest neighbours. */
export interface VectorDataset {
  readonly name: string;
  readonly dimension: number;
  readonly metric: "cosine" | "euclidean";
  readonly base: readonly Float32Array[];
  readonly queries: readonly Float32Array[];
  /** For each query the `truthK` exact nearest rows, ties by lower row. */
  readonly truth: readonly Int32Array[];
  readonly truthK: number;
  /** What is known of each row: a label, a text or a key. Empty where there is nothing. */
  readonly baseRecords: readonly Readonly<Record<string, unknown>>[];
  readonly queryRecords: readonly Readonly<Record<string, unknown>>[];
}

interface Meta {
  readonly count: number;
  readonly dims: number;
  readonly queries: number;
  readonly gtK: number;
  readonly metric: "cosine" | "l2";
}

let saidMissing = false;

/** The address of a file of the data folder, or `undefined`, said once, where there is no folder. */
export function dataFile(path: string): URL | undefined {
  if (existsSync(ROOT)) return new URL(path, ROOT);
  if (!saidMissing) console.log(`skipped: no real data at ${fileURLToPath(ROOT)}`);
  saidMissing = true;
  return undefined;
}

/** Reads one data set of vectors. `undefined`, and one line, where the folder is missing. */
export function readVectorDataset(name: string): VectorDataset | undefined {
  const metaFile = dataFile(`vectors/${name}.meta.json`);
  if (metaFile === undefined) return undefined;
  const meta = JSON.parse(readFileSync(metaFile, "utf8")) as Meta;
  return {
    name,
    dimension: meta.dims,
    metric: meta.metric === "l2" ? "euclidean" : "cosine",
    base: floatRows(`vectors/${name}.base.f32.gz`, meta.dims),
    queries: floatRows(`vectors/${name}.query.f32.gz`, meta.dims),
    truth: integerRows(`vectors/${name}.gt.i32.gz`, meta.gtK),
    truthK: meta.gtK,
    baseRecords: readJsonLines(`vectors/${name}.base.jsonl.gz`),
    queryRecords: readJsonLines(`vectors/${name}.query.jsonl.gz`),
  };
}

/** Ground truth under a filter (`gtfilter`, `gtcross`), without its padding. */
export function readFilteredTruth(dataset: VectorDataset, filter: string): readonly Int32Array[] {
  const rows = integerRows(`vectors/${dataset.name}.${filter}.i32.gz`, dataset.truthK);
  return rows.map((row) => row.filter((value) => value >= 0));
}

/** The objects of a `.jsonl` or `.jsonl.gz` file of the data folder; none where it is missing. */
export function readJsonLines(path: string): Readonly<Record<string, unknown>>[] {
  const file = new URL(path, ROOT);
  if (!existsSync(file)) return [];
  return new TextDecoder()
    .decode(readBytes(path))
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Readonly<Record<string, unknown>>);
}

/** The bytes of a file of the data folder, unpacked. Aligned for any typed array. */
function readBytes(path: string): Uint8Array {
  const raw = readFileSync(new URL(path, ROOT));
  return new Uint8Array(path.endsWith(".gz") ? gunzipSync(raw) : raw);
}

function floatRows(path: string, length: number): Float32Array[] {
  const { buffer } = readBytes(path);
  return split(new Float32Array(buffer), length);
}

function integerRows(path: string, length: number): Int32Array[] {
  const { buffer } = readBytes(path);
  return split(new Int32Array(buffer), length);
}

function split<T extends Float32Array | Int32Array>(all: T, length: number): T[] {
  return Array.from(
    { length: all.length / length },
    (_, row) => all.subarray(row * length, (row + 1) * length) as T,
  );
}
