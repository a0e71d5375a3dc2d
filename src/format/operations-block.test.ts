import { expect, test } from "vitest";
import { at } from "../../test/golden/values.ts";
import type { Operation } from "./operation.ts";
import { decodeOperations } from "./operation-columns.ts";
import { planOperations } from "./operations-block.ts";

function encode(operations: readonly Operation[]): Uint8Array<ArrayBuffer> {
  const plan = planOperations(operations);
  const block = new Uint8Array(plan.length);
  plan.write(block);
  return block;
}

const put: Operation = { kind: "put", version: at(1), id: "a", vector: Float32Array.of(1, 2) };
/** Where the flags of the first of `count` operations are, behind two floats. */
const flagsAt = (count: number): number => 64 + 8 + 16 * count;

test("a block of another length than its head says is corrupt", () => {
  const block = encode([put]);
  const longer = new Uint8Array(block.byteLength + 4);
  longer.set(block);
  expect(() => decodeOperations(longer, "k")).toThrow("k: the head of the operations");
  expect(() => decodeOperations(block.subarray(0, 60), "k")).toThrow("k: operations are cut off");
});

test("an operation without an id is corrupt", () => {
  expect(() => decodeOperations(encode([{ ...put, id: "" }]), "k")).toThrow("has no id");
});

test("a vector without an operation, and an operation without its vector, are corrupt", () => {
  const orphan = encode([put]);
  orphan[flagsAt(1)] = 0;
  expect(() => decodeOperations(orphan, "k")).toThrow("vectors belong to no operation");
  const missing = encode([put, { kind: "put", version: at(2), id: "b" }]);
  missing[flagsAt(2) + 1] = 64;
  expect(() => decodeOperations(missing, "k")).toThrow("vectors are missing");
});

test("a flag without its column, and a text without its flag, are corrupt", () => {
  const flagged = encode([put]);
  flagged[flagsAt(1)]! |= 4;
  expect(() => decodeOperations(flagged, "k")).toThrow("misses its column");
  const unflagged = encode([{ ...put, content: "x" }]);
  unflagged[flagsAt(1)]! &= ~4;
  expect(() => decodeOperations(unflagged, "k")).toThrow("that its flags deny");
});

test("a delete that carries a value is corrupt", () => {
  const block = encode([{ ...put, kind: "delete" }]);
  expect(() => decodeOperations(block, "k")).toThrow("deletes and carries values");
});
