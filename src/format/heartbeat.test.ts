import { expect, test } from "vitest";
import { decodeText, encodeText } from "../base/bytes.ts";
import { decodeHeartbeat, encodeHeartbeat, type Heartbeat } from "./heartbeat.ts";
import { heartbeatKey, parseHeartbeatKey } from "./keys.ts";
import { encodeSealedJson } from "./sealed-json.ts";

const HEARTBEAT: Heartbeat = {
  instanceId: "writer-01",
  incarnation: "01J9ZQ6Z3E8Y7W6V5T4S3R2Q1P",
  role: "writer",
  endpoint: "http://writer-01:3000",
  started: "2026-01-15T10:00:00.000Z",
  lastHeartbeat: "2026-01-15T10:29:50.000Z",
  beat: 60,
  nextInMs: 30_000,
  metrics: { vectorCount: 1_000_000, cacheHitRate: 0.25, memoryUsage: 512_000_000 },
};
const KEY = heartbeatKey(HEARTBEAT.instanceId, HEARTBEAT.incarnation);

// If this fails, the format changed: raise FORMAT_VERSION and keep what reads this.
test("version 1 of a heartbeat is frozen", () => {
  expect(KEY).toBe("_brainy/heartbeats/writer-01.01J9ZQ6Z3E8Y7W6V5T4S3R2Q1P.json");
  expect(decodeText(encodeHeartbeat(HEARTBEAT))).toBe(`{
  "formatVersion": 1,
  "instanceId": "writer-01",
  "incarnation": "01J9ZQ6Z3E8Y7W6V5T4S3R2Q1P",
  "role": "writer",
  "endpoint": "http://writer-01:3000",
  "started": "2026-01-15T10:00:00.000Z",
  "lastHeartbeat": "2026-01-15T10:29:50.000Z",
  "beat": 60,
  "nextInMs": 30000,
  "metrics": {
    "vectorCount": 1000000,
    "cacheHitRate": 0.25,
    "memoryUsage": 512000000
  },
  "checksum": "f4a81b754480a5d4"
}
`);
});

test("a heartbeat is read as it was written", () => {
  expect(decodeHeartbeat(encodeHeartbeat(HEARTBEAT), KEY)).toEqual(HEARTBEAT);
  const { endpoint: _, ...withoutEndpoint } = HEARTBEAT;
  expect(decodeHeartbeat(encodeHeartbeat(withoutEndpoint), KEY)).toEqual(withoutEndpoint);
});

test("every wrong field of a heartbeat is corrupt, by key and name", () => {
  const { metrics } = HEARTBEAT;
  for (const [field, wrong] of [
    ["formatVersion", 0],
    ["instanceId", "a b"],
    ["incarnation", "01j9"],
    ["role", "boss"],
    ["endpoint", ""],
    ["started", "yesterday"],
    ["lastHeartbeat", 5],
    ["beat", 0],
    ["nextInMs", 3_600_001],
    ["metrics", []],
    ["vectorCount", { ...metrics, vectorCount: -1 }],
    ["cacheHitRate", { ...metrics, cacheHitRate: 2 }],
    ["memoryUsage", { ...metrics, memoryUsage: 0.5 }],
  ] as const) {
    const name = field in metrics ? "metrics" : field;
    const bytes = encodeSealedJson({ formatVersion: 1, ...HEARTBEAT, [name]: wrong });
    expect(() => decodeHeartbeat(bytes, KEY), field).toThrow(
      expect.objectContaining({
        code: "BRAINY_CORRUPT",
        message: expect.stringMatching(new RegExp(`${KEY}.*${field}`)),
      }),
    );
  }
  expect(() => decodeHeartbeat(encodeText("{}"), KEY)).toThrow(/checksum/);
});

test("only keys of exactly one form are heartbeats", () => {
  expect(parseHeartbeatKey(KEY)).toEqual({
    instanceId: "writer-01",
    incarnation: HEARTBEAT.incarnation,
  });
  for (const key of [
    `${KEY}x`,
    `x${KEY}`,
    KEY.replace("writer-01", ""),
    KEY.replace("writer-01", "a/b"),
    KEY.replace("01J9", "01j9"),
    KEY.replace(".json", ""),
  ]) {
    expect(parseHeartbeatKey(key), key).toBeUndefined();
  }
});
