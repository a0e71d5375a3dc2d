import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { S3Store } from "../../src/storage/adapters/s3.ts";
import { REPOSITORY_ROOT } from "../repository.ts";
import { newBucket, s3Server, type S3Server } from "../support/s3-server.ts";

/*
 * The server itself: tests of a fleet kill it and start it again.
 */

interface Started extends S3Server {
  readonly monPid: number;
  readonly osdPid: number;
  readonly gatewayPid: number;
}

const shared = await s3Server();
// An endpoint that somebody else runs is not ours to kill; without one, `s3Server` has said why.
const canStart = shared?.other !== undefined;
const folder = mkdtempSync(join(tmpdir(), "brainy-s3-server-"));

function run(command: string, dir: string, ...more: string[]): ReturnType<typeof spawnSync> {
  const args = [command, "--dir", dir, ...more];
  return spawnSync(join(REPOSITORY_ROOT, "scripts/s3-server.sh"), args, { encoding: "utf8" });
}

function start(dir: string, ...more: string[]): Started {
  const { status, stdout, stderr } = run("start", dir, ...more);
  expect(status, String(stderr)).toBe(0);
  return { ...(JSON.parse(String(stdout)) as Started), gaps: {} };
}

function lives(pid: number): boolean {
  return existsSync(`/proc/${pid}/exe`) && spawnSync("kill", ["-0", String(pid)]).status === 0;
}

afterAll(() => {
  if (canStart) for (const name of ["a", "b"]) run("stop", join(folder, name));
  rmSync(folder, { recursive: true, force: true });
});

// The reason is with `canStart`.
// Two whole servers start: seconds on a quiet machine.
const options = { timeout: 120_000 };

test.skipIf(!canStart)(
  "servers run side by side, and stopping one leaves the other",
  options,
  async () => {
    const [a, b] = [start(join(folder, "a")), start(join(folder, "b"))];
    expect(a.endpoint).not.toBe(b.endpoint);
    expect(start(join(folder, "a"))).toEqual(a);
    expect(run("status", join(folder, "b")).status).toBe(0);

    const pids = [b.monPid, b.osdPid, b.gatewayPid];
    expect(pids.map(lives)).toEqual([true, true, true]);
    expect(run("stop", join(folder, "b")).status).toBe(0);
    await expect.poll(() => pids.map(lives)).toEqual([false, false, false]);
    expect(existsSync(join(folder, "b"))).toBe(false);
    expect(run("status", join(folder, "b")).status).toBe(1);
    expect(run("status", join(folder, "a")).status).toBe(0);

    // A gateway that was killed comes back, with what it held.
    const options = await newBucket(a);
    await using store = await S3Store.open(options);
    const { etag } = await store.put("k", Uint8Array.of(1, 2, 3));
    process.kill(a.gatewayPid, "SIGKILL");
    await expect.poll(() => lives(a.gatewayPid)).toBe(false);
    await expect(store.get("k")).rejects.toMatchObject({ code: "BRAINY_UNAVAILABLE" });
    const again = start(join(folder, "a"));
    expect(again.endpoint).toBe(a.endpoint);
    expect(again.gatewayPid).not.toBe(a.gatewayPid);
    expect(await store.get("k")).toMatchObject({ etag, bytesTotal: 3 });
  },
);
