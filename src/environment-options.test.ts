import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { ENVIRONMENT_VARIABLES, type FleetEnvironment } from "./environment.ts";
import { resolveOptions } from "./options.ts";
import type { BrainyOptions } from "./types.ts";

const ROLE = { BRAINY_ROLE: "writer" } as const;
const FLEET: BrainyOptions = { distributed: true };

function resolve(environment: FleetEnvironment, options: BrainyOptions = FLEET) {
  return resolveOptions(options, { ...ROLE, ...environment });
}

function file(content: unknown): FleetEnvironment {
  const folder = mkdtempSync(join(tmpdir(), "brainy-options-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const path = join(folder, "options.json");
  writeFileSync(path, typeof content === "string" ? content : JSON.stringify(content));
  return { BRAINY_CONFIG_SOURCE: "file", BRAINY_CONFIG_PATH: path };
}

test("the bucket comes from the environment where storage is not given", () => {
  const environment = { BRAINY_S3_BUCKET: "b", BRAINY_S3_REGION: "us-east-1" };
  const storage = { type: "s3", bucket: "b", region: "us-east-1" };
  expect(resolve(environment).storage).toEqual(storage);
  expect(resolve({ BRAINY_S3_BUCKET: "b" }).storage).toEqual({ type: "s3", bucket: "b" });
  expect(resolve({ BRAINY_S3_BUCKET: "" }).storage).toBe("memory");
  // Only of a fleet.
  expect(resolve(environment, {}).storage).toBe("memory");
  expect(resolve(environment, { distributed: { enabled: false } }).storage).toBe("memory");
});

test("storage that is given goes before that of the environment, and the log says so", () => {
  const environment = { BRAINY_S3_BUCKET: "b" };
  const given = resolve(environment, { ...FLEET, storage: "./data" });
  expect(given.storage).toBe("./data");
  expect(given.notes).toEqual(["BRAINY_S3_BUCKET=b is not used: options.storage is given"]);
  for (const storage of ["s3://b/prefix", { type: "s3", bucket: "b" }] as const) {
    expect(resolve(environment, { ...FLEET, storage }).notes).toEqual([]);
  }
});

test("options of a file go before those in code, group by group; variables before both", () => {
  const environment = file({
    distributed: { heartbeatInterval: 5_000, instanceId: "of-file", role: "reader" },
    batching: { size: 10 },
    storage: { type: "s3", bucket: "f" },
    pollInterval: 7_000,
  });
  const code: BrainyOptions = {
    storage: "./data",
    distributed: { instanceTimeout: 70_000, heartbeatInterval: 9_000 },
    batching: { size: 20, flushInterval: 100 },
    dimensions: 3,
  };
  const resolved = resolve({ ...environment, BRAINY_INSTANCE_ID: "of-variable" }, code);
  expect(resolved).toMatchObject({
    storage: { type: "s3", bucket: "f" },
    dimensions: 3,
    batchSize: 10,
    given: {
      heartbeatInterval: 5_000,
      instanceTimeout: 70_000,
      pollInterval: 7_000,
      flushInterval: 100,
    },
    distributed: { instanceId: "of-variable", role: { role: "writer" } },
  });
  expect(resolve(environment, FLEET).distributed?.instanceId).toBe("of-file");
  expect(resolve(environment, {}).batchSize).toBe(4_000);
});

const REFUSED: readonly (readonly [string, FleetEnvironment | (() => FleetEnvironment), RegExp])[] =
  [
    ["a region alone", { BRAINY_S3_REGION: "r" }, /BRAINY_S3_REGION=r needs BRAINY_S3_BUCKET/],
    ["a bucket with a prefix", { BRAINY_S3_BUCKET: "b/p" }, /storage: 's3:\/\/bucket\/prefix'/],
    ["no known source", { BRAINY_CONFIG_SOURCE: "fil" }, /store, s3, file; did you mean file\?/],
    ["a file without a path", { BRAINY_CONFIG_SOURCE: "file" }, /needs BRAINY_CONFIG_PATH/],
    [
      "a path without a source",
      { BRAINY_CONFIG_PATH: "a.json" },
      /needs BRAINY_CONFIG_SOURCE=file/,
    ],
    [
      "another place of the settings",
      { BRAINY_CONFIG_SOURCE: "store", BRAINY_CONFIG_PATH: "conf/brainy.json" },
      /BRAINY_CONFIG_PATH: "conf\/brainy\.json" is not _brainy\/config\.json/,
    ],
    [
      "s3 without a bucket",
      { BRAINY_CONFIG_SOURCE: "s3" },
      /set BRAINY_S3_BUCKET, or pass storage/,
    ],
    [
      "a file that is not there",
      { BRAINY_CONFIG_SOURCE: "file", BRAINY_CONFIG_PATH: "/nowhere/a.json" },
      /BRAINY_CONFIG_PATH=\/nowhere\/a\.json cannot be read: ENOENT/,
    ],
    ["no JSON", () => file("{"), /options\.json: not JSON/],
    ["no object", () => file("7"), /must be an object, not 7/],
    ["an unknown name", () => file({ dimension: 3 }), /options\.json: unknown name.*dimensions/],
    ["what only code can give", () => file({ clock: {} }), /unknown name "clock"/],
    [
      "a wrong value",
      () => file({ dimensions: 0 }),
      /dimensions: 0 .*those of BRAINY_CONFIG_PATH=/,
    ],
  ];

for (const [name, environment, message] of REFUSED) {
  test(`environment: ${name} is refused`, () => {
    const given = typeof environment === "function" ? environment() : environment;
    expect(() => resolve(given)).toThrow(
      expect.objectContaining({
        code: "BRAINY_INVALID_ARGUMENT",
        message: expect.stringMatching(message),
      }),
    );
  });
}

test("s3 is refused as a source where storage is a folder, and taken where it is a bucket", () => {
  const environment = { BRAINY_CONFIG_SOURCE: "s3", BRAINY_CONFIG_PATH: "_brainy/config.json" };
  expect(() => resolve(environment, { ...FLEET, storage: "./data" })).toThrow(/is no bucket/);
  expect(resolve(environment, { ...FLEET, storage: "s3://b/p" }).storage).toBe("s3://b/p");
  expect(resolve({ ...environment, BRAINY_S3_BUCKET: "b" }).storage).toMatchObject({ bucket: "b" });
});

test("the guide has a row for each variable that is read, and no other", () => {
  const guide = readFileSync(new URL("../docs/guide/configuration.md", import.meta.url), "utf8");
  const rows = [...guide.matchAll(/^\| `([A-Z][A-Z0-9_]+)` \|/gm)].map((row) => row[1]!);
  expect(new Set(rows)).toEqual(new Set(Object.keys(ENVIRONMENT_VARIABLES)));
  expect(rows).toHaveLength(new Set(rows).size);
});
