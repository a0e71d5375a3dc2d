import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { Fleet, compaction, put, statesOf } from "../../../test/support/fleet.ts";
import { FileSystemStore } from "../../storage/adapters/file-system.ts";
import type * as Source from "./worker-executor.ts";
import { workerAvailable } from "./worker-executor.ts";

/** Workers run compiled code: these tests use what the build has left in dist. */
const COMPILED = new URL("../../../dist/engine/worker/worker-executor.js", import.meta.url);
const isBuilt = existsSync(COMPILED);
if (!isBuilt) console.log("dist/ is not built: workers are not tested");
/** Without a build there is no worker to start: the line above says so. */
const workerTest = isBuilt ? test : test.skip;

async function withStore(run: (store: FileSystemStore) => Promise<void>): Promise<void> {
  const root = await mkdtemp(join(tmpdir(), "brainy-worker-"));
  try {
    await using store = await FileSystemStore.open({ root, shared: true });
    await run(store);
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}

async function compiled(): Promise<typeof Source> {
  return (await import(COMPILED.href)) as typeof Source;
}

test("running from TypeScript sources there is no worker to start, and it is said", async () => {
  expect(workerAvailable()).toBe(false);
  if (isBuilt) expect((await compiled()).workerAvailable()).toBe(true);
});

workerTest("a worker does the same as this thread", () =>
  withStore(async (store) => {
    const { workerExecutor } = await compiled();
    const fleet = new Fleet(1, store as never);
    const lane = await fleet.openLane();
    for (let i = 0; i < 20; i++) await lane.append([put(`r${i}`, i, [i, 1]), put("same", i)]);
    await using executor = workerExecutor({ descriptor: store.descriptor, seed: 1 });
    const { maintenance } = fleet.maintenance({ executor, compaction: compaction({}) });
    await maintenance.run({ force: "compact" });
    expect((await fleet.newest()).segments).toMatchObject([{ rows: 21, vectorRows: 20 }]);
    await fleet.expectNothingLost();
  }),
);

workerTest("[V1] a worker folds as the settings of the database say", () =>
  withStore(async (store) => {
    const { workerExecutor } = await compiled();
    const fleet = new Fleet(1, store as never, undefined, "vector-clock");
    const lanes = [await fleet.openLane(), await fleet.openLane()];
    for (const lane of lanes) await lane.append([put("same", lane.id, [1, 2])]);
    await using executor = workerExecutor({ descriptor: store.descriptor, seed: 1 });
    const options = compaction({ conflictResolution: "vector-clock" });
    const { maintenance } = fleet.maintenance({ executor, compaction: options });
    await maintenance.run({ force: "compact" });
    const manifest = await fleet.newest();
    expect(manifest.segments).toMatchObject([{ rows: 1, vectorRows: 1 }]);
    const state = (await statesOf(store, manifest, fleet.fold)).get("same")!;
    expect(fleet.fold.siblings(state)).toHaveLength(2);
  }),
);

workerTest("an error comes back with its code, and an abort with its reason", () =>
  withStore(async (store) => {
    const { workerExecutor } = await compiled();
    const fleet = new Fleet(1, store as never);
    const lane = await fleet.openLane();
    await using executor = workerExecutor({ descriptor: store.descriptor });
    const base = await fleet.newest();
    const limits = { memoryBytesMax: 1e6, partitionCount: 1 };
    const lanes = [{ lane: lane.id, from: 0, to: 9 }];
    const job = { kind: "flush", base, lanes, limits } as const;
    await expect(executor.run(job)).rejects.toMatchObject({ code: "BRAINY_CONFLICT" });
    const controller = new AbortController();
    const stopped = executor.run(job, controller.signal);
    controller.abort(new Error("enough"));
    await expect(stopped).rejects.toThrow(/enough|gone/);
  }),
);
