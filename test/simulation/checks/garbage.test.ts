import { expect, test } from "vitest";
import { checkpointKey, manifestKey, slotKey } from "../../../src/format/keys.ts";
import type { Operation } from "../../../src/format/operation.ts";
import { garbageOf, remainsOf } from "./garbage.ts";
import { MadeBucket, entryOf, laneOf, ulid, versionOf } from "./made-bucket.ts";

const A = laneOf("A");
const HOUR = 3_600_000;

/** A sealed lane that two manifests cover, and a segment that only the first one names. */
function history(): { readonly bucket: MadeBucket; readonly key: string } {
  const bucket = new MadeBucket();
  for (let number = 0; number < 3; number++) bucket.slot(A, number);
  bucket.slot(A, 3, { kind: "seal", version: versionOf(A, 2), incarnation: ulid("S") });
  const segment = bucket.masked(bucket.segment("A"), "B", 1);
  const lanes = [entryOf(A, 2)];
  bucket.manifest(1, { segments: [segment], lanes });
  bucket.manifest(2, { segments: [], lanes });
  return { bucket, key: segment.key };
}

const garbage = (bucket: MadeBucket): string[] => garbageOf(bucket.record, bucket.nowMs);

test("[B11] what a manifest names, or may still, is no garbage", () => {
  const { bucket } = history();
  expect(garbage(bucket)).toEqual([slotKey(A, 0), slotKey(A, 1), slotKey(A, 2)]);
  for (let number = 0; number < 3; number++) bucket.delete(slotKey(A, number));
  expect(garbage(bucket)).toEqual([]);
});

test("[B11] a manifest past its hour, and then what only it named, are garbage", () => {
  const { bucket, key } = history();
  for (let number = 0; number < 3; number++) bucket.delete(slotKey(A, number));
  bucket.nowMs += HOUR;
  expect(garbage(bucket)).toEqual([]);
  bucket.nowMs += 1;
  expect(garbage(bucket)).toEqual([manifestKey(1)]);
  bucket.delete(manifestKey(1));
  expect(garbage(bucket)).toContain(key);
  expect(garbage(bucket)).toHaveLength(2);
});

test("[B11] what a checkpoint pins is garbage once that has expired, and so is the checkpoint", () => {
  const { bucket, key } = history();
  const [first] = [...bucket.record.chain.values()];
  const tail = [{ lane: A, from: 0, to: 3 }];
  bucket.checkpoint("c", first!.manifest, { expiresAtMs: bucket.nowMs + 3 * HOUR, tail });
  bucket.nowMs += 2 * HOUR;
  bucket.delete(manifestKey(1));
  expect(garbage(bucket)).toEqual([]);
  bucket.nowMs += 2 * HOUR;
  expect(garbage(bucket)).toContain(checkpointKey("c"));
  expect(garbage(bucket)).toContain(key);
});

test("[B11] a seal of others is garbage after a day, once it is covered", () => {
  const { bucket } = history();
  bucket.nowMs += 25 * HOUR;
  expect(garbage(bucket)).not.toContain(slotKey(A, 3));
  const seal = { slot: 3, seenMs: 1 };
  const lastVersion = versionOf(A, 2);
  bucket.manifest(3, { lanes: [entryOf(A, 3, { lastVersion, seal })] });
  bucket.delete(manifestKey(1));
  bucket.delete(manifestKey(2));
  expect(garbage(bucket)).toContain(slotKey(A, 3));
});

test("[B12] bytes of what is gone are found wherever they are, but where a checkpoint pins them", () => {
  const remains = (pins: boolean): string[] => {
    const { bucket } = history();
    const lane = laneOf("B");
    const version = versionOf(lane, 9);
    const operations: Operation[] = [
      { kind: "put", id: "x", version, content: "token-7", metadata: '{"k":"token-8"}' },
    ];
    bucket.slot(lane, 0);
    bucket.slot(lane, 1, { version, operations });
    const [first] = [...bucket.record.chain.values()];
    if (pins) bucket.checkpoint("c", first!.manifest, { tail: [{ lane, from: 0, to: 2 }] });
    const isErased = (mark: string): boolean => mark === "token-7";
    return remainsOf(bucket.record, { nowMs: bucket.nowMs, isErased });
  };
  expect(remains(false)).toEqual([`token-7 in ${slotKey(laneOf("B"), 1)}`]);
  expect(remains(true)).toEqual([]);
});
