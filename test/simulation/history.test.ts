import { expect, test } from "vitest";
import { slotKey } from "../../src/format/keys.ts";
import type { Operation } from "../../src/format/operation.ts";
import { encodeSlot } from "../../src/format/slot.ts";
import type { Version } from "../../src/format/version.ts";
import { laneOf, versionOf } from "./checks/made-bucket.ts";
import { History, type Seen } from "./history.ts";

const [A, B] = [laneOf("A"), laneOf("B")];

/** Slot 1 of lane A puts x and y, slot 2 changes x; lane B deletes y, then puts z. */
function history(): History {
  const made = new History();
  const put = (lane: typeof A, number: number, ...operations: readonly Operation[]): void => {
    const head = { databaseId: "made", lane, number, incarnation: "W", nonce: "n" };
    const { version } = operations.at(-1)!;
    const bytes = encodeSlot({ ...head, kind: "operations", version, operations });
    made.stored(slotKey(lane, number), bytes);
  };
  put(A, 1, operationOf("put", "x", versionOf(A, 1)), operationOf("put", "y", versionOf(A, 2)));
  put(A, 2, operationOf("put", "x", versionOf(A, 3)));
  put(B, 1, operationOf("delete", "y", versionOf(B, 4)));
  put(B, 2, operationOf("put", "z", versionOf(B, 5)));
  return made;
}

function operationOf(kind: "put" | "delete", id: string, version: Version): Operation {
  return kind === "delete" ? { kind, id, version } : { kind, id, version, ...TEXT };
}

const TEXT = { content: "", metadata: "{}" };

/** A read that has shown these records. */
function seenOf(...records: readonly (readonly [string, Version])[]): Map<string, Seen> {
  return new Map(records.map(([id, version]) => [id, { version, vector: undefined, ...TEXT }]));
}

/** What a process has to show after this, when its next read shows `seen`. */
function check(
  made: History,
  learnt: readonly Version[],
  seen: ReadonlyMap<string, Seen>,
  storedCount = 5,
): readonly string[] {
  const known = made.knowledge();
  for (const version of learnt) known.add(version, 0);
  return made.check("a read", seen, { required: known.versions(), storedCount });
}

test("[B8] who has seen an operation has seen its whole slot, and all before it in its lane", () => {
  const made = history();
  const known = made.knowledge();
  known.add(versionOf(A, 1), 0);
  expect([...known.versions()]).toEqual([versionOf(A, 1), versionOf(A, 2)]);
  const whole = seenOf(["x", versionOf(A, 3)], ["z", versionOf(B, 5)]);
  expect(() => check(made, [versionOf(B, 5), versionOf(A, 3)], whole)).not.toThrow();
  const torn = seenOf(["x", versionOf(A, 1)]);
  expect(() => check(made, [versionOf(A, 1)], torn, 3)).toThrow(/y\s+shows nothing/);
  const back = seenOf(["x", versionOf(A, 3)], ["y", versionOf(A, 2)], ["z", versionOf(B, 5)]);
  expect(() => check(made, [versionOf(B, 5)], back)).toThrow(/y\s+shows .*\s+may show nothing/);
});

test("[B8] what a read has shown for certain is what no explanation does without", () => {
  const made = history();
  const gone = seenOf(["x", versionOf(A, 3)]);
  // That y is not there though A has put it can only be the delete; whether z is there is open.
  expect(check(made, [versionOf(A, 3)], gone)).toContain(versionOf(B, 4));
  expect(check(made, [], gone)).not.toContain(versionOf(B, 4));
});

test("[B8] a deleted record that comes back in a later read of one process is found", () => {
  const made = history();
  const gone = seenOf(["x", versionOf(A, 3)]);
  const shown = check(made, [versionOf(A, 3)], gone) as readonly Version[];
  const back = seenOf(["x", versionOf(A, 3)], ["y", versionOf(A, 2)]);
  expect(() => check(made, [versionOf(A, 3)], back)).not.toThrow();
  expect(() => check(made, [versionOf(A, 3), ...shown], back)).toThrow(/may show nothing/);
});

test("[B9] a bounded read has to show what was acknowledged before its bound, and no more", () => {
  const made = history();
  made.acknowledged(versionOf(A, 2), undefined, 1_000);
  made.acknowledged(versionOf(A, 3), undefined, 5_000);
  const old = seenOf(["x", versionOf(A, 1)], ["y", versionOf(A, 2)]);
  const at = (nowMs: number) => () =>
    made.check("a read", old, { required: made.expectation(nowMs), storedCount: 5 });
  expect(at(4_999)).not.toThrow();
  expect(at(5_000)).toThrow(/x\s+shows/);
});
