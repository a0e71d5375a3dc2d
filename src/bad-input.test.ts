import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { Brainy } from "./brainy.ts";
import { MemoryStore } from "./storage/adapters/memory.ts";
import type { BrainyOptions } from "./types.ts";

/*
 * Each bad input is refused with a clear error, and nothing is written: the store stays empty.
 */

async function refused(
  run: (brain: Brainy) => Promise<unknown>,
  code: string,
  message: RegExp,
  options: BrainyOptions = {},
): Promise<void> {
  const store = new MemoryStore({});
  const brain = new Brainy({ storage: { type: "store", store }, ...options });
  await expect(run(brain)).rejects.toMatchObject({
    name: "BrainyError",
    code,
    message: expect.stringMatching(message),
  });
  await brain.close();
  for await (const { objects } of store.list()) expect(objects).toEqual([]);
}

const INVALID = "BRAINY_INVALID_ARGUMENT";
const circular: Record<string, unknown> = {};
circular["self"] = circular;
let deep: Record<string, unknown> = { a: 1 };
for (let i = 0; i < 40; i++) deep = { $and: [deep] };

const CASES: readonly [
  name: string,
  code: string,
  message: RegExp,
  run: (brain: Brainy) => Promise<unknown>,
  options?: BrainyOptions,
][] = [
  ["a wrong dimension", INVALID, /3.*4|4.*3/, (b) => b.add([1, 2, 3]), { dimensions: 4 }],
  ["an empty vector", INVALID, /vector.*(empty|no components)/i, (b) => b.add([])],
  ["NaN in a vector", INVALID, /NaN/, (b) => b.add([1, Number.NaN])],
  ["Infinity in a vector", INVALID, /Infinity/, (b) => b.add(Float32Array.of(1, Infinity))],
  ["a zero vector under cosine", INVALID, /zero/i, (b) => b.add([0, 0])],
  [
    "an infinite number in metadata",
    INVALID,
    /a\.b.*Infinity/,
    (b) => b.add([1], { a: { b: Infinity } }),
  ],
  ["circular data", INVALID, /itself/, (b) => b.add(circular)],
  ["circular metadata", INVALID, /itself/, (b) => b.add([1], circular)],
  [
    "a __proto__ key",
    INVALID,
    /__proto__/,
    (b) => b.add([1], JSON.parse('{"__proto__": {"x": 1}}')),
  ],
  ["an empty id", INVALID, /id.*empty/, (b) => b.add([1], {}, { id: "" })],
  ["an id over 1 KiB", INVALID, /1024/, (b) => b.add([1], {}, { id: "é".repeat(600) })],
  ["an id with a lone surrogate", INVALID, /surrogate/, (b) => b.add([1], {}, { id: "a\uD800" })],
  ["metadata over 64 KiB", "BRAINY_LIMIT", /65536/, (b) => b.add([1], { a: "x".repeat(70_000) })],
  [
    "a record over 4 MiB",
    "BRAINY_LIMIT",
    /4194304/,
    (b) => b.add("x", {}, { text: "y ".repeat(2_200_000), vector: [1] }),
  ],
  ["k of 0", INVALID, /k.*not 0/, (b) => b.search([1], 0)],
  ["a negative k", INVALID, /k.*-1/, (b) => b.search([1], -1)],
  ["a fractional k", INVALID, /k.*1\.5/, (b) => b.search([1], 1.5)],
  ["k above 10,000", INVALID, /10001/, (b) => b.search([1], 10_001)],
  ["an unknown operator", INVALID, /\$gtt.*\$gt/, (b) => b.count({ a: { $gtt: 1 } })],
  ["a filter nested over 32 levels", INVALID, /32/, (b) => b.count(deep)],
  [
    "an unknown call option",
    INVALID,
    /minscore.*minScore/,
    (b) => b.search([1], { minscore: 1 } as object),
  ],
  ["an empty text", INVALID, /empty/, (b) => b.add("  ")],
  ["an empty query", INVALID, /empty/, (b) => b.search(" ")],
  ["a number as input", INVALID, /5/, (b) => b.add(5 as unknown as string)],
  ["an update of nothing", "BRAINY_NOT_FOUND", /"x"/, (b) => b.update("x", { text: "y" })],
  [
    "a search like a record that is not there",
    "BRAINY_NOT_FOUND",
    /"x"/,
    (b) => b.search({ id: "x" }),
  ],
  [
    "a mode that is not built",
    "BRAINY_UNSUPPORTED",
    /hybrid/,
    (b) => b.search("x", { mode: "hybrid" as "vector" }),
  ],
  [
    "a recall target",
    "BRAINY_UNSUPPORTED",
    /recallTarget/,
    (b) => b.search([1], { recallTarget: 0.9 } as object),
  ],
  [
    "a write when read-only",
    "BRAINY_UNSUPPORTED",
    /read-only/,
    (b) => b.add([1]),
    { readOnly: true },
  ],
  [
    "an unknown consistency",
    INVALID,
    /eventually/,
    (b) => b.count({}, { consistency: "eventually" as "strong" }),
  ],
  ["an unknown part", INVALID, /vectors/, (b) => b.get("x", { include: ["vectors" as "vector"] })],
  [
    "a checkpoint that is not there",
    "BRAINY_NOT_FOUND",
    /nightly/,
    (b) => b.count(),
    { checkpoint: "nightly" },
  ],
  [
    "an expiry that is no date",
    INVALID,
    /tomorrow/,
    (b) => b.add([1], {}, { expiresAt: "tomorrow" }),
  ],
];

for (const [name, code, message, run, options] of CASES) {
  test(`${name} is refused and nothing is written`, () => refused(run, code, message, options));
}

const BAD_OPTIONS: readonly [name: string, code: string, message: RegExp, options: object][] = [
  ["storage that is undefined", INVALID, /undefined/, { storage: undefined }],
  ["an unknown option", INVALID, /dimension.*dimensions/, { dimension: 3 }],
  ["an unknown nested option", INVALID, /siz.*size/, { batching: { siz: 1 } }],
  ["an option of later versions", "BRAINY_UNSUPPORTED", /hnsw/, { hnsw: {} }],
  ["a fleet without a role", INVALID, /BRAINY_ROLE/, { distributed: true }],
  ["neither reading nor writing", INVALID, /read-only and/, { writeOnly: true, readOnly: true }],
  ["a metric that is none", INVALID, /manhattan/, { metric: "manhattan" }],
  ["zero dimensions", INVALID, /dimensions.*0/, { dimensions: 0 }],
  ["a batch size of 0", INVALID, /size.*0/, { batching: { size: 0 } }],
  ["a mode that is none", INVALID, /sideways/, { mode: "sideways" }],
];

for (const [name, code, message, options] of BAD_OPTIONS) {
  test(`${name} is refused when Brainy is made`, () => {
    const run = (): Brainy => new Brainy(options);
    expect(run).toThrow(expect.objectContaining({ code, message: expect.stringMatching(message) }));
  });
}

test("bad items of addMany are reported by position and the others are added", async () => {
  await using brain = new Brainy({ dimensions: 2 });
  const items = [
    { id: "a", vector: [1, 0] },
    { id: "b", vector: [1] },
    { vector: [Number.NaN, 1] },
    [0, 1],
  ];
  const { added, failed } = await brain.addMany(items);
  expect(added).toBe(2);
  expect(failed.map(({ index, id }) => [index, id])).toEqual([
    [1, "b"],
    [2, expect.any(String)],
  ]);
  expect(failed[0]?.error).toMatchObject({ code: INVALID });
  expect(await brain.count()).toBe(2);
});

async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "brainy-"));
  onTestFinished(() => rm(path, { recursive: true, force: true }));
  return path;
}

test("a folder that is a file is refused by name", async () => {
  const path = join(await folder(), "file");
  await writeFile(path, "hello");
  const brain = new Brainy({ storage: path });
  await expect(brain.add([1])).rejects.toMatchObject({
    code: INVALID,
    message: expect.stringContaining(path),
  });
});

test("a folder that a newer format wrote is refused, and says to upgrade", async () => {
  const path = await folder();
  {
    await using brain = new Brainy({ storage: path });
    await brain.add([1, 2]);
  }
  const file = join(path, "_brainy/config.json");
  const { readFile } = await import("node:fs/promises");
  const config = JSON.parse(await readFile(file, "utf8")) as { settings: Record<string, unknown> };
  config.settings["formatVersion"] = 99;
  await rm(join(path, "_brainy"), { recursive: true });
  await mkdir(join(path, "_brainy"));
  await writeFile(file, JSON.stringify(config));
  await expect(new Brainy({ storage: path }).count()).rejects.toMatchObject({
    code: "BRAINY_UNSUPPORTED",
    message: expect.stringMatching(/99.*upgrade/s),
  });
});

test("a database of other dimensions or metric is refused, naming both", async () => {
  const storage = await folder();
  {
    await using brain = new Brainy({ storage });
    await brain.add([1, 2]);
  }
  await expect(new Brainy({ storage, dimensions: 3 }).count()).rejects.toThrow(
    /dimensions 2, not 3/,
  );
  await expect(new Brainy({ storage, metric: "dot" }).count()).rejects.toThrow(
    /metric cosine, not dot/,
  );
  await expect(new Brainy({ storage }).add("some text")).rejects.toThrow(/384 dimensions.*2/s);
});
