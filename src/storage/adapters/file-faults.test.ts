import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join, relative } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { systemClock } from "../../base/clock.ts";
import { isBrainyError, type BrainyError } from "../../base/errors.ts";
import { objectStoreConformance } from "../conformance.ts";
import { systemFileCalls, type FileCalls } from "./file-calls.ts";
import { FileFolders } from "./file-folders.ts";
import { FileSystemStore } from "./file-system.ts";

let root = "";
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "brainy-faults-"));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const ABSENT = { condition: { ifAbsent: true } } as const;
const some = new Uint8Array([1, 2, 3]);

function systemError(code: string): Error {
  return Object.assign(new Error(`${code}: injected`), { code, syscall: "injected" });
}

async function failureOf(call: Promise<unknown>): Promise<BrainyError> {
  const error: unknown = await call.then(
    () => new Error("resolved"),
    (reason: unknown) => reason,
  );
  if (!isBrainyError(error)) throw error;
  return error;
}

/** The system's calls, each written down as `name path`, folders by their own name. */
function recorded(log: string[]): FileCalls {
  const paths = new Map<number, string>();
  const short = (path: string): string =>
    path.includes(".tmp/") ? "temporary" : `./${relative(root, path)}`;
  const calls: Record<string, unknown> = {};
  for (const [name, call] of Object.entries(systemFileCalls)) {
    calls[name] = async (first: string | number, ...rest: unknown[]) => {
      const path = typeof first === "number" ? paths.get(first)! : first;
      const target = name === "link" || name === "rename" ? String(rest[0]) : path;
      log.push(`${name} ${short(target)}`);
      const result: unknown = await (call as (...all: unknown[]) => Promise<unknown>)(
        first,
        ...rest,
      );
      if (name === "open") paths.set(result as number, path);
      return result;
    };
  }
  return calls as unknown as FileCalls;
}

test("[F4] bytes are synced before they get a name, and the name before the answer", async () => {
  const log: string[] = [];
  const store = await FileSystemStore.open({ root, calls: recorded(log) });
  await store.put("a/b/first", some, ABSENT);
  const changes = log.filter((line) => /^(mkdir|link|fsync)/.test(line));
  expect(changes.slice(changes.indexOf("mkdir ./a"))).toEqual([
    "mkdir ./a",
    "fsync ./",
    "mkdir ./a/b",
    "fsync ./a",
    "fsync temporary",
    "link ./a/b/first",
    "fsync ./a/b",
  ]);

  // What one more create costs: the table of docs/specs/file-system-store.md.
  log.length = 0;
  await store.put("a/b/second", some, ABSENT);
  expect(log.toSorted()).toEqual(
    [
      "lstat ./a/b/second",
      "lstat ./a/b/.second.versions",
      "open temporary",
      "write temporary",
      "stat temporary",
      "setModified temporary",
      "stat temporary",
      "fsync temporary",
      "close temporary",
      "link ./a/b/second",
      "lstat ./a/b/.second.versions",
      "open ./a/b",
      "fsync ./a/b",
      "close ./a/b",
      "unlink temporary",
    ].toSorted(),
  );
  log.length = 0;
  await store.get("a/b/second");
  expect(log.toSorted()).toEqual(
    [
      "open ./a/b/second",
      "lstat ./a/b/.second.versions",
      "stat ./a/b/second",
      "read ./a/b/second",
      "close ./a/b/second",
    ].toSorted(),
  );
});

test("[F4] a failed fsync says that durability is unknown", async () => {
  for (const failing of ["temporary", "folder"]) {
    const folders = new Set<number>();
    let isOn = false;
    const store = await FileSystemStore.open({
      root,
      calls: {
        ...systemFileCalls,
        async open(path, flags) {
          const file = await systemFileCalls.open(path, flags);
          if (path.includes(".tmp/")) folders.delete(file);
          else folders.add(file);
          return file;
        },
        async fsync(file) {
          if (isOn && folders.has(file) === (failing === "folder")) throw systemError("EIO");
          return systemFileCalls.fsync(file);
        },
      },
    });
    await store.put(`${failing}/before`, some);
    isOn = true;
    const error = await failureOf(store.put(`${failing}/k`, some, ABSENT));
    expect(error.code).toBe("BRAINY_FENCED");
    expect(error.message).toMatch(/fsync failed/);
    expect(error.cause).toMatchObject({ code: "EIO" });
    // Before the name was given nothing has happened; after it, that is what nobody knows.
    expect(existsSync(join(root, failing, "k"))).toBe(failing === "folder");
    expect(readdirSync(join(root, ".tmp"))).toEqual([]);
  }
});

test("[F7] what the system refuses is an error to act on, and leaves nothing behind", async () => {
  const codes = {
    ENOSPC: "BRAINY_LIMIT",
    EDQUOT: "BRAINY_LIMIT",
    EFBIG: "BRAINY_LIMIT",
    EACCES: "BRAINY_DENIED",
    EPERM: "BRAINY_DENIED",
    EROFS: "BRAINY_DENIED",
    EMFILE: "BRAINY_UNAVAILABLE",
    EIO: "BRAINY_UNAVAILABLE",
    ESTALE: "BRAINY_UNAVAILABLE",
  };
  for (const [system, expected] of Object.entries(codes)) {
    for (const call of ["write", "link"] as const) {
      let isOn = false;
      const calls: FileCalls = {
        ...systemFileCalls,
        [call]: (...all: [never, never, never]) =>
          isOn ? Promise.reject(systemError(system)) : systemFileCalls[call](...all),
      };
      const store = await FileSystemStore.open({ root, calls });
      await store.put("before", some);
      isOn = true;
      const error = await failureOf(store.put("k", some, ABSENT));
      expect([system, call, error.code]).toEqual([system, call, expected]);
      expect(error.cause).toMatchObject({ code: system });
      expect(await store.get("k")).toBeUndefined();
      expect(readdirSync(join(root, ".tmp"))).toEqual([]);
    }
  }
});

test("[F9] a root on a remote file system is refused before anything is made there", async () => {
  for (const [type, name] of [
    [0x6969, "NFS"],
    [0xff534d42, "CIFS"],
    [0x65735546, "FUSE"],
  ] as const) {
    const calls: FileCalls = { ...systemFileCalls, fileSystemType: async () => type };
    const store = await FileSystemStore.open({ root: join(root, "new"), calls });
    const error = await failureOf(store.put("k", some));
    expect(error.code).toBe("BRAINY_UNSUPPORTED");
    expect(error.message).toContain(name);
    expect(existsSync(join(root, "new"))).toBe(false);
    const own = await FileSystemStore.open({ root: join(root, name), shared: false, calls });
    await own.put("k", some);
    expect(await own.head("k")).toBeDefined();
  }
});

const withoutLinks: FileCalls = {
  ...systemFileCalls,
  link: () => Promise.reject(systemError("EPERM")),
};

test("[F9] a root without hard links is refused while it is shared", async () => {
  const store = await FileSystemStore.open({ root, calls: withoutLinks });
  expect((await failureOf(store.put("k", some))).code).toBe("BRAINY_UNSUPPORTED");
});

describe("[F9] a root without hard links, used by one process", () => {
  let count = 0;
  objectStoreConformance({
    test,
    open: () =>
      FileSystemStore.open({
        root: join(root, String(++count)),
        calls: withoutLinks,
        shared: false,
      }),
    objectCount: 1_001,
  });
});

test("[F5] a change that stalled while others went on is told that it does not know", async () => {
  const log: string[] = [];
  let release: () => void = () => {};
  let onStall: () => void = () => {};
  const stalled = new Promise<void>((resolve) => (onStall = resolve));
  let stallAt = "";
  const calls: FileCalls = {
    ...systemFileCalls,
    async link(existing, added) {
      if (basename(added) === stallAt) {
        stallAt = "";
        await new Promise<void>((resolve) => {
          release = resolve;
          onStall();
        });
        log.push("woke up");
      }
      return systemFileCalls.link(existing, added);
    },
  };
  const sleeper = await FileSystemStore.open({ root, calls });
  const others = await FileSystemStore.open({ root });
  const replace = (store: FileSystemStore, etag: never, value: number) =>
    store.put("k", Uint8Array.of(value), { condition: { ifMatch: etag } });

  let { etag } = await others.put("k", Uint8Array.of(0));
  ({ etag } = await replace(others, etag as never, 1));
  stallAt = "0000000000000003";
  const late = failureOf(replace(sleeper, etag as never, 99));
  await stalled;
  for (let value = 2; value < 60; value++) {
    ({ etag } = await replace(others, etag as never, value));
  }
  // Numbers up to there were used and are free again, so the late create succeeds.
  expect(readdirSync(join(root, ".k.versions"))).toHaveLength(32);
  release();
  const error = await late;
  expect(log).toEqual(["woke up"]);
  expect(error.code).toBe("BRAINY_UNAVAILABLE");
  expect(error.message).toMatch(/outcome unknown/);
  expect((await others.get("k"))?.bytes[0]).toBe(59);
  expect(readdirSync(join(root, ".k.versions"))).not.toContain("0000000000000003");
});

test("[F6] a deleted object's etags stay dead, however often it comes back", async () => {
  const store = await FileSystemStore.open({ root });
  const seen = new Set<string>();
  // Same size, same key, and often the same inode: only the time could tell them apart.
  for (let round = 0; round < 60; round++) {
    const { etag } = await store.put("k", some, ABSENT);
    expect(seen.has(etag)).toBe(false);
    seen.add(etag);
    await store.deleteMany(["k"]);
  }
  const first = await store.put("c", some);
  await store.put("c", some, { condition: { ifMatch: first.etag } });
  await store.deleteMany(["c"]);
  expect(existsSync(join(root, "c"))).toBe(false);
  await store.put("c", some, ABSENT);
  const error = await failureOf(store.put("c", some, { condition: { ifMatch: first.etag } }));
  expect(error.code).toBe("BRAINY_CONFLICT");
});

test("puts into one folder at the same time share its fsync", async () => {
  const log: string[] = [];
  const store = await FileSystemStore.open({ root, calls: recorded(log) });
  await store.put("a/0", some);
  log.length = 0;
  await Promise.all(Array.from({ length: 40 }, (_, i) => store.put(`a/${i + 1}`, some, ABSENT)));
  const syncs = log.filter((line) => line === "fsync ./a").length;
  expect(syncs).toBeGreaterThan(0);
  expect(syncs).toBeLessThan(40);
});

test("a stream is asked for its next chunk when the last one is written", async () => {
  const log: string[] = [];
  const store = await FileSystemStore.open({ root, calls: recorded(log) });
  await store.put("before", some);
  log.length = 0;
  const chunks = async function* (): AsyncGenerator<Uint8Array> {
    for (let i = 0; i < 3; i++) {
      log.push("asked");
      yield some;
    }
  };
  await store.putStream("s", chunks());
  const order = log.filter((line) => line === "asked" || line === "write temporary");
  expect(order).toEqual(Array.from({ length: 3 }, () => ["asked", "write temporary"]).flat());
});

test("the plain name is a copy of the newest version, for people", async () => {
  const store = await FileSystemStore.open({ root });
  const { etag } = await store.put("config.json", Buffer.from("one"));
  await store.put("config.json", Buffer.from("two"), { condition: { ifMatch: etag } });
  expect(readFileSync(join(root, "config.json"), "utf8")).toBe("two");
  writeFileSync(join(root, "config.json"), "by hand");
  expect(Buffer.from((await store.get("config.json"))!.bytes).toString()).toBe("two");
});

/** Calls of which the first `link` to a file of this name waits until it is let go. */
function stallingLink(name: string): { calls: FileCalls; stalled: Promise<void>; go: () => void } {
  let go: () => void = () => {};
  let onStall: () => void = () => {};
  const stalled = new Promise<void>((resolve) => (onStall = resolve));
  const gate = new Promise<void>((resolve) => (go = resolve));
  const calls: FileCalls = {
    ...systemFileCalls,
    async link(existing, added) {
      if (basename(added) === name) {
        onStall();
        await gate;
      }
      return systemFileCalls.link(existing, added);
    },
  };
  return { calls, stalled, go };
}

test("[F4] a conditional change is synced as a version before the answer", async () => {
  const log: string[] = [];
  const store = await FileSystemStore.open({ root, calls: recorded(log) });
  const { etag } = await store.put("k", some);
  log.length = 0;
  await store.put("k", some, { condition: { ifMatch: etag } });
  expect(log.filter((line) => /^(mkdir|link|fsync)/.test(line))).toEqual([
    "mkdir ./.k.versions",
    "fsync ./",
    "link ./.k.versions/0000000000000001",
    "fsync temporary",
    "link ./.k.versions/0000000000000002",
    "fsync ./.k.versions",
  ]);
});

test("[F4] an fsync that began before a name was given is not taken for it", async () => {
  const begun: (() => void)[] = [];
  const folders = new FileFolders(root, {
    ...systemFileCalls,
    fsync: () => new Promise<void>((resolve) => void begun.push(resolve)),
  });
  const finished: string[] = [];
  const wait = async (count: number): Promise<void> => {
    for (let i = 0; i < 10_000 && begun.length < count; i++) await systemClock.breathe();
    expect(begun).toHaveLength(count);
  };
  const first = folders.sync(root).then(() => finished.push("first"));
  await wait(1);
  const later = [2, 3].map((n) => folders.sync(root).then(() => finished.push(`later ${n}`)));
  begun[0]!();
  await first;
  await wait(2);
  expect(finished).toEqual(["first"]);
  begun[1]!();
  await Promise.all(later);
  expect(begun).toHaveLength(2);
});

test("[F1] a create that wakes up beside a chain it did not see is no success", async () => {
  const { calls, stalled, go } = stallingLink("k");
  const sleeper = await FileSystemStore.open({ root, calls });
  const other = await FileSystemStore.open({ root });
  const late = failureOf(sleeper.put("k", some, ABSENT));
  await stalled;
  const { etag } = await other.put("k", some, ABSENT);
  await other.put("k", some, { condition: { ifMatch: etag } });
  await other.deleteMany(["k"]);
  go();
  expect((await late).message).toMatch(/outcome unknown/);
  expect(await other.get("k")).toBeUndefined();
});

test("[F1] of two creators of what was deleted exactly one wins", async () => {
  const other = await FileSystemStore.open({ root });
  const { etag } = await other.put("k", some);
  await other.put("k", some, { condition: { ifMatch: etag } });
  await other.deleteMany(["k"]);
  const { calls, stalled, go } = stallingLink("0000000000000004");
  const sleeper = await FileSystemStore.open({ root, calls });
  const late = failureOf(sleeper.put("k", Uint8Array.of(9), ABSENT));
  await stalled;
  await other.put("k", Uint8Array.of(7), ABSENT);
  go();
  expect((await late).code).toBe("BRAINY_CONFLICT");
  expect((await other.get("k"))?.bytes[0]).toBe(7);
});

test("[F4] a delete syncs each folder once before the answer", async () => {
  const log: string[] = [];
  const store = await FileSystemStore.open({ root, calls: recorded(log) });
  for (const key of ["a/1", "a/2", "b/1"]) await store.put(key, some);
  log.length = 0;
  await store.deleteMany(["a/1", "a/2", "b/1", "b/absent"]);
  const changes = log.filter((line) => line.startsWith("fsync"));
  expect(changes).toEqual(["fsync ./a", "fsync ./b"]);
});
