import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Brainy } from "../../src/index.ts";
import type { BrainyEvent } from "../../src/types.ts";

/*
 * Instances that are processes, on one folder. The children run the built package, as users do.
 */

const SCRIPT = fileURLToPath(new URL("fleet-child.mjs", import.meta.url));

let folder = "";
const children: ChildProcess[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "brainy-fleet-"));
});
afterEach(() => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
});

async function start(variables: Readonly<Record<string, string>>): Promise<ChildProcess> {
  const child = fork(SCRIPT, [folder], { env: { ...process.env, ...variables } });
  children.push(child);
  await once(child, "message");
  return child;
}

/** Resolves with the next event of this type about this instance. */
function next(brain: Brainy, type: string, instanceId: string): Promise<BrainyEvent> {
  return new Promise((resolve) => {
    const stop = brain.on(type, (event) => {
      if (event.payload["instanceId"] !== instanceId) return;
      stop();
      resolve(event);
    });
  });
}

test("[H4] an instance that is killed goes stale, and one that closes is gone at once", async () => {
  await using watcher = new Brainy({
    storage: folder,
    distributed: {
      role: "reader",
      instanceId: "watcher",
      heartbeatInterval: 1_000,
      instanceTimeout: 1_000,
    },
  });
  await watcher.init();
  const environment = { BRAINY_ROLE: "writer", BRAINY_INSTANCE_ID: "w-1" };
  let joined = next(watcher, "instance_joined", "w-1");
  const killed = await start({ ...environment, SERVICE_ENDPOINT: "http://w-1:3000" });
  expect((await joined).payload).toMatchObject({ role: "writer", endpoint: "http://w-1:3000" });
  expect(await watcher.has("a", { consistency: "strong" })).toBe(true);

  let left = next(watcher, "instance_left", "w-1");
  killed.kill("SIGKILL");
  expect((await left).payload).toMatchObject({ reason: "stale" });
  const { instances } = await watcher.getDistributedConfig();
  expect(instances["w-1"]).toMatchObject({ role: "writer", status: "stale" });
  expect(watcher.getMetrics().nodes).toEqual({ total: 2, healthy: 1 });

  joined = next(watcher, "instance_joined", "w-1");
  const closing = await start(environment);
  await joined;
  expect(watcher.getMetrics().nodes).toEqual({ total: 2, healthy: 2 });
  left = next(watcher, "instance_left", "w-1");
  closing.send("close");
  expect((await left).payload).toMatchObject({ reason: "closed" });
  // That of the run that was killed stays for a day.
  expect(readdirSync(join(folder, "_brainy/heartbeats"))).toHaveLength(2);
});

test("roles come from the environment, and errors of their absence too", async () => {
  const reader = await start({ BRAINY_ROLE: "search", BRAINY_MODE: "read-only" });
  reader.send("close");
  await once(reader, "exit");
  expect(readdirSync(folder)).not.toContain("vectors");

  const nobody = fork(SCRIPT, [folder], {
    env: { ...process.env, BRAINY_ROLE: "" },
    stdio: ["ignore", "ignore", "pipe", "ipc"],
  });
  children.push(nobody);
  let said = "";
  nobody.stderr!.setEncoding("utf8").on("data", (text: string) => (said += text));
  await once(nobody, "close");
  expect(said).toMatch(/this instance has no role: set BRAINY_ROLE to writer, reader or hybrid/);
});
