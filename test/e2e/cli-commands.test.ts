import {
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { once } from "node:events";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { REPOSITORY_ROOT } from "../repository.ts";
import * as cli from "./cli-run.ts";

const { jsonLines, makeFolder, parseLines, run, runJson, runOk, start, temporaryFolder } = cli;

/** Three records in two dimensions, and a passage of a real file. Nobody changes it. */
let shared = "";
let database = "";

const RECORDS = [
  { id: "east", vector: [1, 0], text: "where the sun rises", metadata: { degrees: 0 } },
  { id: "north", vector: [0, 1], type: "pole", metadata: { degrees: 90 } },
  { id: "west", vector: [-1, 0], metadata: { degrees: 180, "\u001b[31m": "red" } },
];

beforeAll(async () => {
  shared = makeFolder();
  database = join(shared, "db");
  await runOk(["import", "-", "-d", database], { input: jsonLines(RECORDS) });
});

afterAll(() => rmSync(shared, { recursive: true, force: true }));

/** A copy of the shared database that a test may change. */
function ownDatabase(): string {
  const own = join(temporaryFolder(), "db");
  cpSync(database, own, { recursive: true });
  return own;
}

test("search finds by vector, by neighbour, with a filter and from a score on", async () => {
  const ids = async (...args: string[]): Promise<string[]> =>
    (await runJson<{ id: string }[]>(["search", ...args, "-d", database])).map(({ id }) => id);
  expect(await ids("--vector", "[0.9,0.1]")).toEqual(["east", "north", "west"]);
  expect(await ids("--vector", "[0.9,0.1]", "-k", "1")).toEqual(["east"]);
  expect(await ids("--vector", "[0.9,0.1]", "--filter", '{"degrees":{"$gt":0}}')).toEqual([
    "north",
    "west",
  ]);
  expect(await ids("--vector", "[0.9,0.1]", "--min-score", "0.5")).toEqual(["east"]);
  expect(await ids("--like", "north", "-k", "2", "--filter", '{"type":"pole"}')).not.toContain(
    "west",
  );
});

test("people get score, place and text; a terminal gets no control characters", async () => {
  const own = join(temporaryFolder(), "db");
  await runOk(["import", "docs/decisions/README.md", "-d", own]);
  const found = await runOk(["search", "when is a decision record superseded?", "-d", own]);
  const [, score, path, first, last] = /^(\d\.\d{3}) {2}(\S+):(\d+)-(\d+)/.exec(found)!;
  expect(Number(score)).toBeGreaterThan(0);
  expect(path).toBe("docs/decisions/README.md");
  const file = readFileSync(join(REPOSITORY_ROOT, path!), "utf8").split("\n");
  expect(file.slice(Number(first) - 1, Number(last)).join("\n")).toContain("record");
  expect(await runOk(["list", "-d", database])).not.toContain("\u001b");
});

test("get shows whole records, and says which are not there", async () => {
  expect(await runJson(["get", "east", "-d", database])).toEqual({
    ...RECORDS[0],
    version: expect.any(String) as string,
  });
  const { code, stdout, stderr } = await run(["get", "no", "north", "-d", database, "--json"]);
  expect(code).toBe(3);
  expect(parseLines(stdout)).toMatchObject([{ id: "north", metadata: { degrees: 90 } }]);
  expect(JSON.parse(stderr)).toMatchObject({ code: "BRAINY_NOT_FOUND" });
  expect(stderr).not.toContain("north");
});

test("list goes on where the page before ended", async () => {
  interface Page {
    readonly records: { readonly id: string }[];
    readonly cursor?: string;
  }
  const first = await runJson<Page>(["list", "--limit", "2", "-d", database]);
  expect(first.records.map(({ id }) => id)).toEqual(["east", "north"]);
  const cursor = ["--cursor", first.cursor!];
  const second = await runJson<Page>(["list", "--limit", "2", ...cursor, "-d", database]);
  expect(second.records.map(({ id }) => id)).toEqual(["west"]);
  expect(second.cursor).toBeUndefined();
});

test("a filter deletes only with --yes, and a checkpoint still shows what was deleted", async () => {
  const own = ownDatabase();
  const count = async (...args: string[]): Promise<number> =>
    (await runJson<{ count: number }>(["count", "-d", own, ...args])).count;
  await runOk(["checkpoint", "before", "-d", own]);
  const filter = ["--filter", '{"degrees":{"$gte":90}}'];
  const refused = await run(["delete", ...filter, "-d", own]);
  expect([refused.code, refused.stderr]).toEqual([2, expect.stringContaining("matches 2 records")]);
  expect(await count()).toBe(3);
  expect(await runJson(["delete", ...filter, "--yes", "-d", own])).toEqual({ deleted: 2 });
  expect(await runJson(["delete", "east", "nobody", "-d", own])).toEqual({ deleted: 1 });
  expect(await count()).toBe(0);
  expect(await count("--checkpoint", "before")).toBe(3);
  await runOk(["checkpoint", "before", "--delete", "-d", own]);
  expect((await run(["count", "--checkpoint", "before", "-d", own])).code).toBe(3);
});

test("every command writes JSON with --json", async () => {
  const own = ownDatabase();
  const input = '{"vector":[2,1]}\n';
  for (const args of [
    ["import", "-"],
    ["search", "--vector", "[1,1]"],
    ["get", "east"],
    ["list"],
    ["count"],
    ["delete", "west"],
    ["export"],
    ["export", "-o", join(own, "../out.jsonl")],
    ["stats"],
    ["compact"],
    ["checkpoint", "name"],
    ["verify"],
    ["verify", "--repair"],
  ]) {
    const { stdout, stderr } = await run([...args, "-d", own, "--json"], { input });
    expect(parseLines(stdout).length, args.join(" ")).toBeGreaterThan(0);
    expect(() => parseLines(stderr), args.join(" ")).not.toThrow();
  }
});

test("compacting changes no answer, and what verify reads is in order", async () => {
  const own = ownDatabase();
  const before = parseLines(await runOk(["export", "-d", own]));
  expect(await runJson(["compact", "-d", own])).toMatchObject({ records: 3, segments: 1 });
  const after = parseLines<{ id: string }>(await runOk(["export", "-d", own]));
  expect(after.toSorted((a, b) => (a.id < b.id ? -1 : 1))).toEqual(before);
  expect(await runJson(["verify", "-d", own])).toMatchObject({ ok: true });
});

test("a damaged object is named, with code 1 from verify", async () => {
  const own = ownDatabase();
  await runOk(["compact", "-d", own]);
  const segment = readdirSync(own, { recursive: true, encoding: "utf8" }).find((path) =>
    path.endsWith(".seg"),
  );
  const path = join(own, segment!);
  const bytes = readFileSync(path);
  bytes[Math.floor(bytes.length / 2)]! ^= 1;
  writeFileSync(path, bytes);
  const { code, stdout } = await run(["verify", "-d", own]);
  expect(code).toBe(1);
  expect(stdout).toMatch(/^error +vectors\/\S+\.seg: /m);
});

test("verify still works where nothing else does, and other commands end with code 5", async () => {
  const own = ownDatabase();
  writeFileSync(join(own, "_brainy/config.json"), "garbage\n");
  const { code, stderr } = await run(["count", "-d", own]);
  expect([code, stderr]).toEqual([5, expect.stringMatching(/^brainy: .*config\.json.*\n$/)]);
  const verified = await run(["verify", "-d", own]);
  expect(verified.code).toBe(1);
  expect(verified.stdout).toMatch(/^error +_brainy\/config\.json: /m);
});

test("reading makes nothing: no folder, no file", async () => {
  const folder = temporaryFolder();
  mkdirSync(join(folder, "empty"));
  for (const name of ["missing", "empty"]) {
    for (const args of [["count"], ["search", "x"], ["compact"], ["delete", "x"], ["verify"]]) {
      const { code, stderr } = await run([...args, "-d", join(folder, name)]);
      expect(code, args.join(" ")).toBe(3);
      expect(stderr).toContain(name);
    }
  }
  expect(existsSync(join(folder, "missing"))).toBe(false);
  expect(readdirSync(join(folder, "empty"))).toEqual([]);
  const snapshot = readdirSync(shared, { recursive: true }).length;
  await runOk(["export", "-d", database]);
  expect(readdirSync(shared, { recursive: true })).toHaveLength(snapshot);
});

test("a wrong call ends with code 2, in words and without a stack", async () => {
  for (const [args, words] of [
    [["search"], "give a text, --vector or --like"],
    [["search", "x", "--like", "y"], "give one of"],
    [["search", "x", "-k", "0"], "-k: must be a whole number"],
    [["search", "x", "--filter", "{"], "--filter: is not JSON"],
    [["count", "--filter", '{"a":{"$gte":{}}}'], "$gte"],
    [["count", "--filtre", "{}"], "unknown option '--filtre'"],
    [["serch", "x"], "Did you mean search?"],
    [["delete"], "give ids or --filter"],
    [["search", "--vector", "[1,2,3]"], "3"],
    [["import", "docs", "--metric", "manhattan"], "--metric: must be one of"],
  ] as const) {
    const { code, stdout, stderr } = await run([...args, "-d", database]);
    expect([code, stdout], args.join(" ")).toEqual([2, ""]);
    expect(stderr).toMatch(/^brainy: /);
    expect(stderr).toContain(words);
    expect(stderr).not.toMatch(/\n +at /);
  }
});

test("errors are one JSON document on stderr with --json, and have a stack with --verbose", async () => {
  for (const args of [["search"], ["count", "--nope"], ["count", "-d", "/dev/null/x"]]) {
    const { code, stdout, stderr } = await run([...args, "--json"]);
    expect([2, 3]).toContain(code);
    expect(stdout).toBe("");
    expect(Object.keys(JSON.parse(stderr) as object)).toEqual(["code", "action", "message"]);
  }
  expect((await run(["search", "--verbose", "-d", database])).stderr).toMatch(/\n +at /);
});

test("a reader that closes the pipe ends an export quietly", async () => {
  const own = join(temporaryFolder(), "db");
  const text = "long enough to fill a pipe ".repeat(40);
  const records = Array.from({ length: 1_000 }, (_, i) => ({ vector: [i, 1], text, metadata: {} }));
  await runOk(["import", "-", "-d", own], { input: jsonLines(records) });
  const { child, ended } = start(["export", "-d", own]);
  await once(child.stdout, "data");
  child.stdout.destroy();
  expect(await ended).toMatchObject({ code: 0, stderr: "" });
});
