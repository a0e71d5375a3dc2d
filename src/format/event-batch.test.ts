import { expect, test } from "vitest";
import { decodeText, encodeText } from "../base/bytes.ts";
import { decodeEventBatch, encodeEventBatch } from "./event-batch.ts";
import { eventKey, isEventKey } from "./keys.ts";

const BATCH = { hints: [{ type: "log", payload: { lane: "a", slot: 7 } }, {}] };

// A frozen value: a fleet may run several versions at once.
test("an event batch of version 1 is frozen", () => {
  expect(decodeText(encodeEventBatch(BATCH))).toBe(`{
  "formatVersion": 1,
  "hints": [
    {
      "type": "log",
      "payload": {
        "lane": "a",
        "slot": 7
      }
    },
    {}
  ],
  "checksum": "cd8a8d7887633bc4"
}
`);
});

test("an event batch is what was written, or BRAINY_CORRUPT", () => {
  expect(decodeEventBatch(encodeEventBatch(BATCH), "e")).toEqual(BATCH);
  const text = decodeText(encodeEventBatch(BATCH));
  for (const [from, to] of [
    ["7", "8"],
    ["{}", "5"],
    ["hints", "hint"],
  ] as const) {
    expect(() => decodeEventBatch(encodeText(text.replace(from, to)), "e")).toThrow(/^e: /);
  }
});

test("only keys of exactly our form are those of event batches", () => {
  const key = eventKey("01J9ZQ6Z3E8Y7W6V5T4S3R2Q1P");
  expect(isEventKey(key)).toBe(true);
  for (const other of [`${key}x`, `x${key}`, key.replace("1P", "1p"), key.replace(".json", "")]) {
    expect(isEventKey(other)).toBe(false);
  }
});
