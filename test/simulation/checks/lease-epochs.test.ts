import { expect, test } from "vitest";
import { LeaseEpochs } from "./lease-epochs.ts";
import { MadeBucket, laneOf, ulid, versionOf } from "./made-bucket.ts";

const [A, B] = [laneOf("A"), laneOf("B")];

function findingOf(next: (bucket: MadeBucket) => void): string {
  const bucket = new MadeBucket(new LeaseEpochs(["c"]));
  bucket.slot(A, 0);
  bucket.slot(B, 0);
  bucket.lease(1, { lane: A });
  bucket.slot(A, 1, { id: "c" });
  expect(bucket.finding).toBeUndefined();
  next(bucket);
  return bucket.finding ?? "nothing";
}

function takeOver(bucket: MadeBucket): void {
  bucket.slot(A, 2, { kind: "seal", version: versionOf(A, 1), incarnation: ulid("S") });
  bucket.lease(2, { lane: B });
}

test("[B4] who seals the lane, then swaps the lease, then decides, is no finding", () => {
  const whole = (bucket: MadeBucket): void => {
    takeOver(bucket);
    bucket.slot(B, 1, { id: "c" });
    bucket.lease(3, undefined);
  };
  expect(findingOf(whole)).toBe("nothing");
});

test("[B4] a lease that names a lane while the one before it goes on is found", () => {
  expect(findingOf((bucket) => bucket.lease(2, { lane: B }))).toContain("has not ended");
});

test("[B4] an epoch that is left out, or comes twice, is found", () => {
  expect(findingOf((bucket) => bucket.lease(3, { lane: A }))).toContain("follows epoch 1");
  expect(findingOf((bucket) => bucket.lease(1, { lane: A }))).toContain("follows epoch 1");
});

test("[B4] a decision in a lane that no lease names is found", () => {
  expect(findingOf((bucket) => bucket.slot(B, 1, { id: "c" }))).toContain("its lease names");
  expect(findingOf((bucket) => bucket.slot(B, 1, { id: "x" }))).toBe("nothing");
});
