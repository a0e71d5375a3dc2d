import { expect, test } from "vitest";
import type { Heartbeat } from "../format/heartbeat.ts";
import { heartbeatKey } from "../format/keys.ts";
import type { Etag } from "../storage/object-store.ts";
import { isRemovable, judge, learn, mustRead, observe, type Look } from "./liveness.ts";

const KEY = heartbeatKey("a", "01J9ZQ6Z3E8Y7W6V5T4S3R2Q1P");
const HOUR_MS = 3_600_000;

/** A look at one object, at a moment of the observer's monotonic clock. */
function look(atMs: number, etag: string | undefined, ageMs = 0): Look {
  const storeMs = 1_700_000_000_000;
  const object = { key: KEY, bytesTotal: 1, etag: etag as Etag, modifiedMs: storeMs - ageMs };
  const objects = etag === undefined ? [] : [object];
  return { startedMs: atMs, endedMs: atMs + 100, storeMs, objects };
}

const says = (nextInMs: number): Heartbeat => ({ nextInMs }) as Heartbeat;

/** The run after looks in order; after each, what it says is read when it has to be. */
function after(looks: readonly Look[], nextInMs = 30_000, timeoutMs = 60_000) {
  let runs = observe(new Map(), look(0, undefined));
  for (const one of looks) {
    runs = observe(runs, one);
    const run = runs.get(KEY);
    if (run === undefined) continue;
    const isRead = mustRead(run, one, timeoutMs);
    const known = isRead
      ? learn(run, { etag: run.etag, heartbeat: says(nextInMs), nowMs: one.endedMs })
      : run;
    runs.set(KEY, { ...known, status: judge(known, one, timeoutMs) });
  }
  return runs.get(KEY);
}

test("a run is active at first sight, and stale when it has stood still for its time", () => {
  expect(after([look(0, "1")])?.status).toBe("active");
  // Counted from the end of the first look to the start of the last.
  expect(after([look(0, "1"), look(60_099, "1")])?.status).toBe("active");
  expect(after([look(0, "1"), look(60_100, "1")])?.status).toBe("stale");
  expect(after([look(0, "1"), look(60_100, "2")])?.status).toBe("active");
});

test("a run may take twice as long as it said, when that is more than the timeout", () => {
  expect(after([look(0, "1"), look(240_000, "1")], 120_000)?.status).toBe("active");
  expect(after([look(0, "1"), look(240_100, "1")], 120_000)?.status).toBe("stale");
});

test("a time without looks does not count against a run that has moved in it", () => {
  expect(after([look(0, "1"), look(HOUR_MS, "2")])?.status).toBe("active");
});

test("an object that was old by store time when it was first seen is no sign of life", () => {
  expect(after([look(0, "1", 299_000)])?.status).toBe("active");
  expect(after([look(0, "1", 300_000)])?.status).toBe("stale");
  // What has moved under the observer's eyes is alive, however old the store says it is.
  expect(after([look(0, "1", 300_000), look(1_000, "2", 300_000)])?.status).toBe("active");
});

test("an object is read at first sight, and again only before its run is called stale", () => {
  const first = observe(new Map(), look(0, "1")).get(KEY)!;
  expect(mustRead(first, look(0, "1"), 60_000)).toBe(true);
  const known = learn(first, { etag: "1", heartbeat: says(30_000), nowMs: 100 });
  expect(mustRead(known, look(30_000, "1"), 60_000)).toBe(false);
  const moved = observe(new Map([[KEY, known]]), look(30_000, "2")).get(KEY)!;
  expect(mustRead(moved, look(30_000, "2"), 60_000)).toBe(false);
  const still = look(95_000, "2");
  const suspect = observe(new Map([[KEY, moved]]), still).get(KEY)!;
  expect(mustRead(suspect, still, 60_000)).toBe(true);
  // It had become idle, and said so: it may take four minutes now.
  const heard = learn(suspect, { etag: "2", heartbeat: says(120_000), nowMs: 95_100 });
  expect(judge(heard, still, 60_000)).toBe("active");
  expect(mustRead(heard, still, 60_000)).toBe(false);
});

test("an object that is newer when read than when listed has moved", () => {
  const still = look(60_100, "1");
  const run = observe(new Map(), look(0, "1")).get(KEY)!;
  expect(judge(learn(run, { etag: "1", heartbeat: says(1_000), nowMs: 1 }), still, 60_000)).toBe(
    "stale",
  );
  const read = { etag: "2", heartbeat: says(1_000), nowMs: 60_200 };
  expect(judge(learn(run, read), still, 60_000)).toBe("active");
});

test("a run that nobody can read is judged by the longest interval", () => {
  const run = observe(new Map(), look(0, "1")).get(KEY)!;
  const unread = learn(run, { etag: "1", heartbeat: undefined, nowMs: 1 });
  expect(judge(unread, look(240_000, "1"), 60_000)).toBe("active");
  expect(judge(unread, look(240_100, "1"), 60_000)).toBe("stale");
});

test("a run that nobody could read is read again when it has changed, until it was understood", () => {
  const first = observe(new Map(), look(0, "1")).get(KEY)!;
  const unread = learn(first, { etag: "1", heartbeat: undefined, nowMs: 1 });
  expect(mustRead(unread, look(30_000, "1"), 60_000)).toBe(false);
  const moved = observe(new Map([[KEY, unread]]), look(30_000, "2")).get(KEY)!;
  expect(mustRead(moved, look(30_000, "2"), 60_000)).toBe(true);
  const known = learn(moved, { etag: "2", heartbeat: says(30_000), nowMs: 30_001 });
  expect(mustRead({ ...known, etag: "3" }, look(60_000, "3"), 60_000)).toBe(false);
});

test("only what is stale and a day old is removed", () => {
  expect(isRemovable(after([look(0, "1", 24 * HOUR_MS)])!)).toBe(true);
  expect(isRemovable(after([look(0, "1", 24 * HOUR_MS - 1)])!)).toBe(false);
  expect(isRemovable(after([look(0, "1", 30 * HOUR_MS), look(1_000, "2", 30 * HOUR_MS)])!)).toBe(
    false,
  );
});

test("a run whose object is gone is forgotten", () => {
  expect(after([look(0, "1"), look(1_000, undefined)])).toBeUndefined();
});
