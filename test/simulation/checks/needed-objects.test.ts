import { expect, test } from "vitest";
import { checkpointKey, manifestKey, slotKey } from "../../../src/format/keys.ts";
import type { Manifest } from "../../../src/format/manifest.ts";
import { MadeBucket, entryOf, laneOf, ulid, versionOf } from "./made-bucket.ts";
import { NeededObjects } from "./needed-objects.ts";

const A = laneOf("A");
const HOUR = 3_600_000;

/** Manifest 1 names a segment and covers slot 1; manifest 2 does without it, and covers slot 2. */
function history(): { readonly bucket: MadeBucket; readonly first: Manifest } {
  const bucket = new MadeBucket(new NeededObjects());
  for (let number = 0; number < 3; number++) bucket.slot(A, number);
  bucket.slot(A, 3, { kind: "seal", version: versionOf(A, 2), incarnation: ulid("S") });
  const segments = [bucket.masked(bucket.segment("A"), "B", 1)];
  const first = bucket.manifest(1, { segments, lanes: [entryOf(A, 1, { head: 2 })] });
  const lanes = [entryOf(A, 3, { lastVersion: versionOf(A, 2), seal: { slot: 3, seenMs: 1 } })];
  bucket.manifest(2, { segments: [], lanes });
  return { bucket, first };
}

test("[B2] what every manifest can do without may be deleted", () => {
  const { bucket, first } = history();
  bucket.nowMs += 25 * HOUR;
  bucket.delete(slotKey(A, 1));
  bucket.delete(manifestKey(1));
  bucket.delete(first.segments[0]!.key);
  bucket.delete(slotKey(A, 2));
  bucket.delete(slotKey(A, 3));
  expect(bucket.finding).toBeUndefined();
});

test("[B2] the delete of what a manifest names is found", () => {
  for (const keyOf of [
    ({ segments }: Manifest) => segments[0]!.key,
    ({ segments: [segment] }: Manifest) => (segment!.deletions as { readonly key: string }).key,
  ]) {
    const { bucket, first } = history();
    bucket.delete(keyOf(first));
    expect(bucket.finding).toContain("manifest 1 names it");
  }
});

test("[B2] the delete of a slot that a manifest does not cover, or that nobody covers, is found", () => {
  const { bucket } = history();
  bucket.delete(slotKey(A, 2));
  expect(bucket.finding).toContain("manifest 1 needs it");
  const none = new MadeBucket(new NeededObjects());
  none.slot(A, 0);
  none.delete(slotKey(A, 0));
  expect(none.finding).toContain("before there was a manifest");
});

test("[B2] what a lane was before it was retired is covered, also when its open record comes again", () => {
  const { bucket } = history();
  bucket.nowMs += 25 * HOUR;
  bucket.delete(manifestKey(1));
  for (const number of [0, 1, 2]) bucket.delete(slotKey(A, number));
  bucket.manifest(3, { segments: [], lanes: [] });
  // The open record of a lane of which a seal was left is sent again, and looks like a new one.
  bucket.slot(A, 0);
  bucket.manifest(4, { segments: [], lanes: [entryOf(A, 0)] });
  bucket.nowMs += 25 * HOUR;
  bucket.delete(slotKey(A, 3));
  expect(bucket.finding).toBeUndefined();
});

test("[B2] so is its seal where no manifest has listed that", () => {
  const bucket = new MadeBucket(new NeededObjects());
  for (let number = 0; number < 3; number++) bucket.slot(A, number);
  bucket.manifest(1, { segments: [], lanes: [entryOf(A, 2)] });
  bucket.slot(A, 3, { kind: "seal", version: versionOf(A, 2), incarnation: ulid("S") });
  bucket.manifest(2, { segments: [], lanes: [] });
  bucket.nowMs += 25 * HOUR;
  bucket.delete(manifestKey(1));
  for (const number of [0, 1, 2]) bucket.delete(slotKey(A, number));
  bucket.slot(A, 0);
  bucket.manifest(3, { segments: [], lanes: [entryOf(A, 0)] });
  bucket.nowMs += 25 * HOUR;
  bucket.delete(slotKey(A, 3));
  expect(bucket.finding).toBeUndefined();
});

test("[B2] a manifest that is deleted too soon, or is the newest, is found", () => {
  const { bucket } = history();
  bucket.nowMs += HOUR - 1;
  bucket.delete(manifestKey(1));
  expect(bucket.finding).toContain("after it was replaced");
  const newest = history().bucket;
  newest.nowMs += 48 * HOUR;
  newest.delete(manifestKey(2));
  expect(newest.finding).toContain("the newest was deleted");
});

test("[B2] the delete of what a checkpoint pins, or of the checkpoint, is found until it expires", () => {
  const pinned = (deletesAt: number, key: (first: Manifest) => string): string | undefined => {
    const { bucket, first } = history();
    const expiresAtMs = bucket.nowMs + 30 * HOUR;
    bucket.checkpoint("c", first, { expiresAtMs, tail: [{ lane: A, from: 2, to: 3 }] });
    bucket.nowMs += 2 * HOUR;
    bucket.delete(manifestKey(1));
    bucket.nowMs += (deletesAt - 2) * HOUR;
    bucket.delete(key(first));
    return bucket.finding;
  };
  expect(pinned(3, ({ segments }) => segments[0]!.key)).toContain("checkpoints/c.json names it");
  expect(pinned(3, () => slotKey(A, 2))).toContain("checkpoint c pins it");
  expect(pinned(3, () => checkpointKey("c"))).toContain("before it expired");
  expect(pinned(31, ({ segments }) => segments[0]!.key)).toBeUndefined();
  expect(pinned(31, () => checkpointKey("c"))).toBeUndefined();
});

test("[B2] a checkpoint that pins what is gone is found, unless its manifest went before", () => {
  const { bucket, first } = history();
  bucket.checkpoint("c", first, { tail: [{ lane: A, from: 2, to: 5 }] });
  expect(bucket.finding).toContain(`pins slot ${A}/4, which is not there`);
  const late = history();
  late.bucket.nowMs += 2 * HOUR;
  late.bucket.delete(manifestKey(1));
  late.bucket.delete(late.first.segments[0]!.key);
  late.bucket.checkpoint("c", late.first, { tail: [{ lane: A, from: 2, to: 5 }] });
  expect(late.bucket.finding).toBeUndefined();
});

test("[B2] a seal that others made and that does not live for a day is found", () => {
  // Without the manifest that does not cover the seal: that one would need it.
  const bucket = new MadeBucket(new NeededObjects());
  for (let number = 0; number < 3; number++) bucket.slot(A, number);
  bucket.slot(A, 3, { kind: "seal", version: versionOf(A, 2), incarnation: ulid("S") });
  const lanes = [entryOf(A, 3, { lastVersion: versionOf(A, 2), seal: { slot: 3, seenMs: 1 } })];
  bucket.manifest(1, { segments: [], lanes });
  bucket.nowMs += 23 * HOUR;
  bucket.delete(slotKey(A, 3));
  expect(bucket.finding).toContain("a seal that others made");
});
