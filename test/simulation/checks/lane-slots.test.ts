import { expect, test } from "vitest";
import { slotKey } from "../../../src/format/keys.ts";
import { LaneSlots } from "./lane-slots.ts";
import { MadeBucket, entryOf, laneOf, ulid, versionOf } from "./made-bucket.ts";

const A = laneOf("A");

function history(): MadeBucket {
  const bucket = new MadeBucket(new LaneSlots());
  for (let number = 0; number < 3; number++) bucket.slot(A, number);
  return bucket;
}

function findingOf(next: (bucket: MadeBucket) => void): string {
  const bucket = history();
  next(bucket);
  return bucket.finding ?? "nothing";
}

test("[B3] a lane that grows slot by slot up to its seal is no finding", () => {
  const seal = { kind: "seal", version: versionOf(A, 2), incarnation: ulid("S") } as const;
  expect(findingOf((bucket) => bucket.slot(A, 3))).toBe("nothing");
  expect(findingOf((bucket) => bucket.slot(A, 3, seal))).toBe("nothing");
});

test("[B3] a hole, a slot after the seal and a slot of another run are found", () => {
  expect(findingOf((bucket) => bucket.slot(A, 4))).toContain("follows slot 3");
  expect(findingOf((bucket) => bucket.slot(laneOf("B"), 1))).toContain("follows slot 0");
  const late = (bucket: MadeBucket): void => {
    bucket.slot(A, 3, { kind: "seal", version: versionOf(A, 2) });
    bucket.slot(A, 4);
  };
  expect(findingOf(late)).toContain("after the seal 3");
  expect(findingOf((bucket) => bucket.slot(A, 3, { incarnation: ulid("V") }))).toContain(
    "another run",
  );
  expect(findingOf((bucket) => bucket.slot(laneOf("B"), 0, { kind: "seal" }))).toContain(
    "of kind seal",
  );
});

test("[B3] versions that do not grow, and what comes below the floor, are found", () => {
  const back = { version: versionOf(A, 1) };
  expect(findingOf((bucket) => bucket.slot(A, 3, back))).toContain("comes after");
  const below = (bucket: MadeBucket): void => {
    bucket.manifest(1, { floor: versionOf(A, 50) });
    bucket.slot(A, 3);
  };
  expect(findingOf(below)).toContain("though the floor is at");
});

test("[B3] a slot that is written twice is found, the network's second time is not", () => {
  const twice = (nonce: string) =>
    findingOf((bucket) => {
      bucket.delete(slotKey(A, 1));
      bucket.slot(A, 1, { nonce });
    });
  expect(twice("other")).toContain("was written twice");
  expect(twice(`${A} 1`)).toBe("nothing");
});

test("[B3] what comes back where a manifest would still read it is found", () => {
  const back = (bucket: MadeBucket): void => {
    bucket.manifest(1, { lanes: [entryOf(A, 0, { head: 2 })] });
    bucket.delete(slotKey(A, 1));
    bucket.slot(A, 1);
  };
  expect(findingOf(back)).toContain("manifest 1 needs it");
});
