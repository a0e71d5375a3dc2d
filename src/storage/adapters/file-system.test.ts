import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { objectStoreConformance } from "../conformance.ts";
import { prefixed } from "../layers/prefixed.ts";
import { openStore } from "../open-store.ts";
import { FileSystemStore } from "./file-system.ts";

let parent = "";
beforeAll(async () => {
  parent = await mkdtemp(join(tmpdir(), "brainy-files-"));
});
afterAll(async () => {
  await rm(parent, { recursive: true, force: true });
});

let count = 0;
const newRoot = (): string => join(parent, `${++count}`, "root");
const reopen = async ({ descriptor }: { descriptor?: FileSystemStore["descriptor"] | undefined }) =>
  openStore(descriptor!);

// A durable put costs several milliseconds on some disks, so one page and a little is enough.
const objectCount = 1_001;

describe("file system", () => {
  objectStoreConformance({
    test,
    open: () => FileSystemStore.open({ root: newRoot() }),
    reopen,
    objectCount,
  });
});

describe("prefixed over the file system", () => {
  objectStoreConformance({
    test,
    open: async () => prefixed(await FileSystemStore.open({ root: newRoot() }), "t/"),
    objectCount,
  });
});
