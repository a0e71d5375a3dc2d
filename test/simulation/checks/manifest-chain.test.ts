import { expect, test } from "vitest";
import type { Manifest } from "../../../src/format/manifest.ts";
import { MadeBucket, entryOf, laneOf, ulid, versionOf } from "./made-bucket.ts";
import { ManifestChain } from "./manifest-chain.ts";

const A = laneOf("A");

/** A lane of three slots and a seal, a segment, and a manifest that covers half of it. */
function history(): { readonly bucket: MadeBucket; readonly first: Manifest } {
  const bucket = new MadeBucket(new ManifestChain());
  for (let number = 0; number < 3; number++) bucket.slot(A, number);
  bucket.slot(A, 3, { kind: "seal", version: versionOf(A, 2), incarnation: ulid("S") });
  const segment = bucket.masked(bucket.segment("A"), "B", 1, 3);
  const lanes = [entryOf(A, 1, { head: 2 })];
  bucket.manifest(1, {});
  const first = bucket.manifest(2, { segments: [segment], lanes, floor: versionOf(A, 1) });
  return { bucket, first };
}

/** What is found when the manifest after the first one is this. */
function findingOf(
  change: (bucket: MadeBucket, first: Manifest) => Partial<Manifest>,
): string | undefined {
  const { bucket, first } = history();
  expect(bucket.finding).toBeUndefined();
  bucket.manifest(3, { ...first, number: 3, nonce: "three", ...change(bucket, first) });
  return bucket.finding;
}

test("[B1] a manifest that was made from the one before it is no finding", () => {
  const sealed = entryOf(A, 2, { head: 2, seal: { slot: 3, seenMs: 1 } });
  expect(findingOf(() => ({ lanes: [sealed] }))).toBeUndefined();
  expect(findingOf(() => ({ epoch: 2, holder: ulid("K") }))).toBeUndefined();
  const more = (bucket: MadeBucket, { segments }: Manifest) => ({
    segments: [bucket.masked(segments[0]!, "C", 0, 1, 3)],
  });
  expect(findingOf(more)).toBeUndefined();
});

test("[B1] a chain that takes something back is found", () => {
  const found = (change: Parameters<typeof findingOf>[0]) => findingOf(change) ?? "nothing";
  expect(found(() => ({ number: 4 }))).toContain("follows");
  expect(found(() => ({ holder: ulid("K") }))).toContain("in the epoch of");
  expect(found(() => ({ epoch: 3 }))).toContain("epoch 3 follows 1");
  expect(found(() => ({ epoch: 2, segments: [] }))).toContain("a takeover that changes");
  expect(found(() => ({ floor: versionOf(A, 0) }))).toContain("the floor falls");
  expect(found(() => ({ floor: versionOf(A, 900) }))).toContain("above what its base covers");
  expect(found(() => ({ maxVersion: versionOf(A, 2) }))).toContain("maxVersion falls");
  expect(found(() => ({ createdMs: 1 }))).toContain("was made at 1");
  const masksOf = (...rows: number[]) =>
    found((bucket, { segments }) => ({ segments: [bucket.masked(segments[0]!, "C", ...rows)] }));
  expect(masksOf(1, 2)).toContain("rows 3 are masked no more");
});

test("[B1] a lane that goes back, or leaves too early, is found", () => {
  const found = (change: Partial<Manifest>) => findingOf(() => change) ?? "nothing";
  expect(found({ lanes: [entryOf(A, 0, { head: 2 })] })).toContain("the cursor falls");
  expect(found({ lanes: [entryOf(A, 1)] })).toContain("the head falls");
  const other = { head: 2, incarnation: ulid("V") };
  expect(found({ lanes: [entryOf(A, 1, other)] })).toContain("another open record");
  expect(found({ lanes: [entryOf(A, 2, { lastVersion: versionOf(A, 7) })] })).toContain(
    "does not end",
  );
  const early = { head: 2, seal: { slot: 2, seenMs: 1 } };
  expect(found({ lanes: [entryOf(A, 2, early)] })).toContain("has no seal there");
  expect(found({ lanes: [] })).toContain("leaves before it was sealed and covered");
});

test("[B1] a lane that leaves its slots behind, or the floor, is found", () => {
  const covered = entryOf(A, 3, { lastVersion: versionOf(A, 2), seal: { slot: 3, seenMs: 1 } });
  const { bucket, first } = history();
  bucket.manifest(3, { ...first, number: 3, lanes: [covered] });
  bucket.manifest(4, { ...first, number: 4, lanes: [] });
  expect(bucket.finding).toContain("leaves above the floor");
  const again = history();
  const next = { ...again.first, lanes: [covered], floor: versionOf(A, 2) };
  again.bucket.manifest(3, { ...next, number: 3 });
  again.bucket.manifest(4, { ...next, number: 4, lanes: [] });
  expect(again.bucket.finding).toContain("behind it");
});

test("[B1] a segment that is not there, or comes back, is found", () => {
  const missing = findingOf((bucket, { segments }) => {
    bucket.delete(segments[0]!.key);
    return {};
  });
  expect(missing).toContain("which is not there");
  const { bucket, first } = history();
  bucket.manifest(3, { ...first, number: 3, segments: [] });
  bucket.manifest(4, { ...first, number: 4 });
  expect(bucket.finding).toContain("again");
});
