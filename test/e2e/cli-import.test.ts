import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { REPOSITORY_ROOT } from "../repository.ts";
import { dataFile } from "../support/datasets.ts";
import { jsonLines, parseLines, run, runJson, runOk, temporaryFolder } from "./cli-run.ts";

interface Imported {
  readonly imported: number;
  readonly skipped: number;
  readonly removed: number;
  readonly files: number;
}

interface Exported {
  readonly id: string;
  readonly text?: string;
  readonly type?: string;
  readonly vector: readonly number[];
  readonly metadata: Readonly<Record<string, unknown>>;
}

const count = async (database: string): Promise<number> =>
  (await runJson<{ count: number }>(["count", "-d", database])).count;

interface Place {
  readonly path: string;
  readonly lineStart: number;
  readonly lineEnd: number;
}

const exportedLines = async (database: string): Promise<string[]> =>
  (await runOk(["export", "-d", database])).split("\n").toSorted((a, b) => (a < b ? -1 : 1));

const exported = async (database: string): Promise<Exported[]> =>
  parseLines<Exported>(await runOk(["export", "-d", database])).toSorted((a, b) =>
    a.id < b.id ? -1 : 1,
  );

test("a truncated file names its last line, and the lines before it are kept", async () => {
  const folder = temporaryFolder();
  const file = join(folder, "cut.jsonl");
  const text = jsonLines([{ id: "a", text: "one" }, { id: "b", text: "two" }, { id: "c" }]);
  writeFileSync(file, text.slice(0, -5));
  const { code, stderr } = await run(["import", file, "-d", join(folder, "db")]);
  expect(code).toBe(1);
  expect(stderr).toContain(`cut.jsonl:3: is cut off`);
  expect((await exported(join(folder, "db"))).map(({ id }) => id)).toEqual(["a", "b"]);
});

test("an invalid line stops the import, unless invalid ones are to be skipped", async () => {
  const database = join(temporaryFolder(), "db");
  const input =
    '{"id":"a","text":"one"}\n\n{"id":}\n{"id":"b","vector":[1]}\n{"id":"c","text":"x"}\n7\n';
  const stopped = await run(["import", "-", "-d", database, "--json"], { input });
  expect(stopped.code).toBe(1);
  expect(JSON.parse(stopped.stdout)).toMatchObject({ imported: 1 });
  expect(JSON.parse(stopped.stderr)).toMatchObject({
    code: "BRAINY_INVALID_ARGUMENT",
    action: "fix-call",
    message: expect.stringContaining("stdin:3: is not JSON") as string,
  });
  const args = ["import", "-", "-d", database, "--skip-invalid"];
  const skipped = await run([...args, "--json"], { input });
  expect(skipped.code).toBe(0);
  expect(JSON.parse(skipped.stdout)).toMatchObject({ imported: 2, skipped: 3 });
  expect(skipped.stderr).toContain("stdin:4: ");
  expect((await run(args, { input })).stderr).toContain("3 invalid ones skipped");
  expect(await count(database)).toBe(2);
});

test("fields of an object become id, vector and text; the rest is metadata", async () => {
  const database = join(temporaryFolder(), "db");
  const input = jsonLines([{ sku: 7, embedding: [3, 4], note: "a drill", price: 5, domain: "t" }]);
  const fields = ["--id-field", "sku", "--vector-field", "embedding", "--text-field", "note"];
  await runOk(["import", "-", "-d", database, "--type", "tool", ...fields], { input });
  expect(await exported(database)).toEqual([
    {
      id: "7",
      vector: [3, 4],
      text: "a drill",
      type: "tool",
      domain: "t",
      metadata: { sku: 7, price: 5, domain: "t" },
    },
  ]);
  const { stderr, code } = await run(["import", "-", "-d", database, "--id-field", "sku"], {
    input: '{"name":"no sku"}\n',
  });
  expect([code, stderr]).toEqual([1, expect.stringContaining('stdin:1: has no field "sku"')]);
});

test("lines may be texts or vectors, and a .json array holds the same records", async () => {
  const folder = temporaryFolder();
  const values = [
    "a text with ] and , in it",
    { name: "x [{", n: { a: [1, "}\\"] } },
    { text: "t" },
  ];
  writeFileSync(join(folder, "a.json"), `\n${JSON.stringify(values, undefined, 2)}\n`);
  writeFileSync(join(folder, "b.jsonl.gz"), gzipSync(jsonLines(values)));
  const contents = async (file: string): Promise<unknown[]> => {
    await runOk(["import", file, "-d", `${file}.db`], { cwd: folder });
    const records = await exported(join(folder, `${file}.db`));
    return records.map((record) => JSON.stringify({ ...record, id: "" })).toSorted();
  };
  const fromArray = await contents("a.json");
  expect(fromArray).toHaveLength(3);
  expect(await contents("b.jsonl.gz")).toEqual(fromArray);
});

test("passages of files name the lines on which they stand", async () => {
  const database = join(temporaryFolder(), "db");
  const sources = ["docs", "src/text", "CONTRIBUTING.md"];
  const { files } = await runJson<Imported>(["import", ...sources, "-d", database]);
  const records = await exported(database);
  const paths = new Set(records.map(({ metadata }) => String(metadata["path"])));
  expect(paths.size).toBe(files);
  expect([...paths]).toContain("src/text/passages.ts");
  for (const { id, text, type, metadata } of records) {
    const { path, lineStart, lineEnd } = metadata as unknown as Place;
    const lines = readFileSync(join(REPOSITORY_ROOT, path), "utf8").split("\n");
    const stood = lines.slice(lineStart - 1, lineEnd).join("\n");
    if (text !== stood) expect(stood, id).toContain(text);
    expect(id.startsWith(`${path}#${lineStart}-${lineEnd}`)).toBe(true);
    expect(type).toBe("passage");
  }
  expect(records.some(({ metadata }) => typeof metadata["heading"] === "string")).toBe(true);
});

test("importing a file again replaces its passages, and touches no other record", async () => {
  const folder = temporaryFolder();
  const database = join(folder, "db");
  const args = ["import", "notes", "-d", database];
  mkdirSync(join(folder, "notes"));
  const note = join(folder, "notes/a.md");
  writeFileSync(note, "# One\n\nfirst\n\n# Two\n\nsecond\n\n# Three\n\nthird\n");
  writeFileSync(join(folder, "notes/b.md"), "# Other\n\nstays\n");
  await runOk(args, { cwd: folder });
  const own = jsonLines([{ id: "notes/a.md#mine", text: "own", metadata: { path: "notes/a.md" } }]);
  await runOk(["import", "-", "-d", database], { input: own });
  expect(await count(database)).toBe(5);

  writeFileSync(note, "intro\n\n# Two\n\nchanged\n");
  const again = await runJson<Imported>(args, { cwd: folder });
  expect(again).toMatchObject({ imported: 3, removed: 3 });
  const records = await exported(database);
  expect(new Set(records.map(({ text }) => text))).toEqual(
    new Set(["# Two\n\nchanged", "intro", "# Other\n\nstays", "own"]),
  );
  expect(records).toHaveLength(4);

  rmSync(note);
  expect(await runJson<Imported>([...args, "--prune"], { cwd: folder })).toMatchObject({
    imported: 1,
    removed: 2,
  });
  expect((await exported(database)).map(({ id }) => id)).toEqual([
    "notes/a.md#mine",
    "notes/b.md#1-3",
  ]);
});

test("a folder is read without what is hidden, made by tools or no text", async () => {
  const folder = temporaryFolder();
  for (const path of [".git/config", "node_modules/x/a.md", "db/_brainy/x.md", "in/b.ts", "c.md"]) {
    mkdirSync(join(folder, "all", path, ".."), { recursive: true });
    writeFileSync(join(folder, "all", path), `text of ${path}`);
  }
  writeFileSync(join(folder, "all/image.png"), new Uint8Array([137, 80, 78, 71, 0, 1]));
  writeFileSync(join(folder, "all/package.json"), '{ "name": "no list of records" }');
  const paths = async (...options: string[]): Promise<unknown[]> => {
    const database = join(folder, `db${options.join("").replaceAll(/\W/g, "")}`);
    await runOk(["import", ".", "-d", database, ...options], { cwd: join(folder, "all") });
    return (await exported(database)).map(({ metadata }) => metadata["path"]);
  };
  expect(await paths()).toEqual(["c.md", "in/b.ts", "package.json"]);
  expect(await paths("--ext", "ts,.json")).toEqual(["in/b.ts", "package.json"]);
  expect(await paths("--glob", "in/**", "{c,d}.m?")).toEqual(["c.md", "in/b.ts"]);
  const { code, stderr } = await run(["import", "all/image.png", "-d", "x"], { cwd: folder });
  expect([code, stderr]).toEqual([1, expect.stringContaining("image.png: is not UTF-8 text")]);
});

test("what was exported makes an equal database elsewhere", async () => {
  const folder = temporaryFolder();
  const [first, second] = [join(folder, "first"), join(folder, "second")];
  const file = dataFile("records/product-bestbuy.jsonl.gz");
  const input =
    file === undefined
      ? jsonLines(Array.from({ length: 1_500 }, (_, i) => ({ name: `product ${i}`, price: i })))
      : `${gunzipSync(readFileSync(file)).toString().split("\n", 1_500).join("\n")}\n`;
  const { imported } = await runJson<Imported>(["import", "-", "-d", first], { input });
  expect(imported).toBe(1_500);
  const passages = ["import", "docs", "-d", first, "--domain", "documentation"];
  await runOk(passages);
  const out = join(folder, "out.jsonl");
  await runOk(["export", "-d", first, "-o", out]);
  await runOk(["import", out, "-d", second]);
  const records = await exportedLines(first);
  expect(records.length).toBeGreaterThan(imported);
  // Texts, because a comparison of a million numbers takes longer than all the rest.
  expect((await exportedLines(second)).join("\n") === records.join("\n")).toBe(true);
});

test("real contracts and reports go in whole, each under its own id", async () => {
  const database = join(temporaryFolder(), "db");
  const contracts = dataFile("records/legal-cuad.jsonl.gz");
  const symptoms = dataFile("records/medical-symptom2disease.jsonl.gz");
  if (contracts === undefined || symptoms === undefined) return;
  const args = ["-d", database, "--id-field", "Filename"];
  const path = decodeURIComponent(contracts.pathname);
  expect(await runJson<Imported>(["import", path, ...args])).toMatchObject({ imported: 510 });
  const fields = ["--text-field", "symptoms", "--type", "symptom"];
  const input = gunzipSync(readFileSync(symptoms));
  await runOk(["import", "-", "-d", database, ...fields], { input });
  expect(await count(database)).toBe(510 + 1_750);
  const query = "My skin has been peeling, especially on my knees, elbows, and scalp.";
  const filter = '{"type":"symptom"}';
  const hits = await runJson<Exported[]>(["search", query, "-d", database, "--filter", filter]);
  expect(hits[0]?.text).toContain(query);
  expect(hits[0]?.metadata).toEqual({ diagnosis: "Psoriasis" });
});
