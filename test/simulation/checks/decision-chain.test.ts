import { expect, test } from "vitest";
import type { Operation } from "../../../src/format/operation.ts";
import type { Version } from "../../../src/format/version.ts";
import { DecisionChain } from "./decision-chain.ts";
import { MadeBucket, laneOf, versionOf } from "./made-bucket.ts";

const [A, B] = [laneOf("A"), laneOf("B")];

/** Lane A creates record c at second 1; then these come, each in a slot of a lane of its own. */
function findingOf(
  ...then: readonly (readonly [Operation["kind"], number, readonly Version[]])[]
): string {
  const bucket = new MadeBucket(new DecisionChain(["c"]));
  bucket.slot(A, 0);
  bucket.slot(A, 1, { id: "c" });
  bucket.slot(B, 0);
  for (const [i, [kind, second, seen]] of then.entries()) {
    const version = versionOf(B, second);
    const text = kind === "delete" ? {} : { content: "", metadata: "{}" };
    const operation = { kind, id: "c", version, seen, ...text };
    bucket.slot(B, i + 1, { version, operations: [operation] });
  }
  return bucket.finding ?? "nothing";
}

test("[B6] decisions that follow each other are no finding", () => {
  const [first, second] = [versionOf(A, 1), versionOf(B, 2)];
  expect(findingOf(["patch", 2, [first]], ["delete", 3, [second]], ["put", 4, []])).toBe("nothing");
});

test("[B6] a second winner, a lost update and a change of what is gone are found", () => {
  const first = versionOf(A, 1);
  expect(findingOf(["put", 2, []])).toContain("made from nothing");
  expect(findingOf(["patch", 2, [first]], ["patch", 3, [first]])).toContain(`made from ${first}`);
  expect(findingOf(["delete", 2, [first]], ["patch", 3, [first]])).toContain("c is at nothing");
});
