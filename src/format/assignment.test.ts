import fc from "fast-check";
import { expect, test } from "vitest";
import { isBrainyError } from "../base/errors.ts";
import { decodeAssignment, encodeAssignment, type Assignment } from "./assignment.ts";
import { decodeLease, encodeLease, type Lease } from "./lease.ts";
import { parseLane } from "./version.ts";

const ULID = "01JCZ0M3V8Q6T4R2W0Y9X7S5P3";

function assignment(partitions: Record<string, readonly number[]>, count: number): Assignment {
  const lists = new Map(Object.entries(partitions));
  return { databaseId: "db", version: 3, partitionCount: count, partitions: lists, nonce: "ab" };
}

test("an assignment is kept as ranges, and comes back as it was", () => {
  const given = assignment({ a: [0, 1, 2, 7, 9, 10], "w-2": [3, 4, 5, 6, 8], idle: [] }, 11);
  const bytes = encodeAssignment(given);
  const text = new TextDecoder().decode(bytes);
  expect(text).toContain('"a": "0-2 7 9-10"');
  expect(decodeAssignment(bytes, "here")).toEqual(given);
});

test("whatever owns what comes back, and what is no assignment is BRAINY_CORRUPT", () => {
  const owners = fc.array(fc.constantFrom("a", "b", "c"), { minLength: 1, maxLength: 40 });
  fc.assert(
    fc.property(owners, (list) => {
      const lists: Record<string, number[]> = {};
      for (const [partition, owner] of list.entries()) (lists[owner] ??= []).push(partition);
      const given = assignment(lists, list.length);
      expect(decodeAssignment(encodeAssignment(given), "here")).toEqual(given);
    }),
  );
  for (const [lists, count] of [
    [{ a: [0] }, 2],
    [{ a: [0, 1], b: [1] }, 2],
    [{ a: [0, 2] }, 2],
    [{ "no id!": [0] }, 1],
    [{ a: [1, 0] }, 2],
  ] as const) {
    const bytes = encodeAssignment(assignment(lists, count));
    expect(() => decodeAssignment(bytes, "here")).toThrow(/^here: /);
  }
});

test("a lease comes back as it was, held or given back; a damaged one is BRAINY_CORRUPT", () => {
  const owner = { holder: ULID, instanceId: "w", endpoint: "http://w", lane: parseLane(ULID, "") };
  const { endpoint: _, ...silent } = owner;
  const base: Lease = { databaseId: "db", partition: 7, epoch: 3, owner: undefined, nonce: "ab" };
  for (const given of [base, { ...base, owner }, { ...base, owner: silent }]) {
    const bytes = encodeLease(given);
    expect(decodeLease(bytes, "here")).toEqual(given);
    for (let at = 0; at < bytes.length; at += 3) {
      const damaged = bytes.slice();
      damaged[at]! ^= 1;
      try {
        decodeLease(damaged, "here");
        throw new Error(`byte ${at} may be anything`);
      } catch (error) {
        if (!isBrainyError(error, "BRAINY_CORRUPT")) throw error;
      }
    }
  }
});
