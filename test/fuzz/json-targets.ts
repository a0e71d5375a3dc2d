import { encodeText } from "../../src/base/bytes.ts";
import { decodeAssignment, encodeAssignment } from "../../src/format/assignment.ts";
import { decodeCheckpoint, encodeCheckpoint } from "../../src/format/checkpoint.ts";
import {
  decodeConfig,
  encodeConfig,
  isSealedConfig,
  sealConfig,
  type ConfigDocument,
} from "../../src/format/config.ts";
import { deletionEntryInline } from "../../src/format/deletions.ts";
import { decodeEventBatch, encodeEventBatch } from "../../src/format/event-batch.ts";
import { decodeFixedSettings, encodeFixedSettings } from "../../src/format/fixed-settings.ts";
import { decodeHeartbeat, encodeHeartbeat } from "../../src/format/heartbeat.ts";
import { decodeOverrides } from "../../src/format/instance-overrides.ts";
import { decodeLease, encodeLease } from "../../src/format/lease.ts";
import { decodeManifest, encodeManifest, type Manifest } from "../../src/format/manifest.ts";
import { decodeAttributes, encodeAttributes } from "../../src/format/operation-attributes.ts";
import { encodeSealedJson } from "../../src/format/sealed-json.ts";
import { CHECKPOINT, CONFIG, MANIFEST, at } from "../golden/values.ts";
import { mutateJsonBytes } from "./containers.ts";
import type { Draw } from "./draw.ts";
import { mutateJson } from "./mutate-json.ts";
import { DATABASE, RUN, attributesOf, laneOf, textOf, versionOf } from "./shapes.ts";
import { demand, demandEqual, type FuzzTarget } from "./target.ts";

/*
 * Documents of JSON: those that are sealed by a checksum, and those that people may edit.
 */

/** A sealed document changed; its checksum is right more often than not. */
export function mutateSealed(input: Uint8Array, draw: Draw, other: Uint8Array): Uint8Array {
  if (draw.chance(0.3)) return mutateJsonBytes(input, draw, other);
  const changed = mutateJson(fieldsOf(input), draw, fieldsOf(other));
  const isObject = typeof changed === "object" && changed !== null;
  return isObject ? encodeSealedJson(changed) : encodeText(JSON.stringify(changed) ?? "");
}

function fieldsOf(bytes: Uint8Array): object {
  const { checksum: _, ...fields } = JSON.parse(new TextDecoder().decode(bytes)) as {
    readonly checksum: string;
  };
  return fields;
}

interface SealedOptions<Value> {
  readonly name: string;
  readonly sample: (draw: Draw) => Value;
  readonly encode: (value: Value) => Uint8Array;
  readonly decode: (bytes: Uint8Array, where: string) => Value;
  readonly check?: ((value: Value) => void) | undefined;
  readonly weight?: number | undefined;
}

function sealed<Value>(options: SealedOptions<Value>): FuzzTarget {
  const { name, sample, encode, decode, check, weight } = options;
  return {
    name,
    weight,
    sample: (draw) => encode(sample(draw)),
    mutate: mutateSealed,
    read(input) {
      const value = decode(input, "k");
      check?.(value);
      demandEqual(decode(encode(value), "k"), value, "encoded again");
    },
  };
}

function manifestOf(draw: Draw): Manifest {
  const rows = draw.between(1, 1_000);
  return {
    ...MANIFEST,
    number: draw.below(1_000),
    holder: draw.pick(["", RUN]),
    dimensions: draw.pick([undefined, 3]),
    segments: draw.list(draw.below(4), () => ({
      id: laneOf(draw) as unknown as Manifest["segments"][number]["id"],
      key: `vectors/p000-p099/${laneOf(draw)}.seg`,
      bytes: draw.below(10_000),
      rows,
      vectorRows: draw.below(rows + 1),
      minVersion: at(1),
      maxVersion: at(2),
      ...(draw.chance(0.3) && { deletions: deletionEntryInline(Uint32Array.of(0))! }),
      ...(draw.chance(0.3) && {
        deletions: { count: 1, key: `vectors/p000-p099/${laneOf(draw)}.del`, bytes: 7 },
      }),
      ...(draw.chance(0.3) && { remainsSinceMs: draw.below(1_000) }),
    })),
    lanes: draw.list(draw.below(4), (i) => ({
      ...MANIFEST.lanes[i % 2]!,
      lane: laneOf(draw),
      lastVersion: versionOf(draw),
    })),
  };
}

const SEALED: readonly FuzzTarget[] = [
  sealed({
    name: "manifest",
    weight: 2,
    sample: manifestOf,
    encode: encodeManifest,
    decode: decodeManifest,
    check({ segments, lanes, number }) {
      demand(Number.isSafeInteger(number), "a number");
      demand(new Set(segments.map(({ id }) => id)).size === segments.length, "segments once");
      demand(new Set(lanes.map(({ lane }) => lane)).size === lanes.length, "lanes once");
      for (const { rows, vectorRows } of segments) demand(vectorRows <= rows, "rows");
    },
  }),
  sealed({
    name: "checkpoint",
    sample: (draw) => ({
      ...CHECKPOINT,
      manifest: manifestOf(draw),
      tail: draw.list(draw.below(3), () => ({ lane: laneOf(draw), from: 2, to: 5 })),
    }),
    encode: encodeCheckpoint,
    decode: decodeCheckpoint,
    check: ({ tail }) =>
      demand(
        tail.every(({ from, to }) => from <= to),
        "ranges",
      ),
  }),
  sealed({
    name: "lease",
    sample: (draw) => ({
      databaseId: DATABASE,
      partition: draw.below(100),
      epoch: draw.between(1, 9),
      owner: draw.pick([
        undefined,
        { holder: RUN, instanceId: "w1", lane: laneOf(draw) },
        { holder: RUN, instanceId: "w1", endpoint: "http://a:1", lane: laneOf(draw) },
      ]),
      nonce: "0123",
    }),
    encode: encodeLease,
    decode: decodeLease,
  }),
  sealed({
    name: "heartbeat",
    sample: (draw) => ({
      instanceId: "w-1_a",
      incarnation: laneOf(draw),
      role: draw.pick(["writer", "reader", "hybrid"] as const),
      ...(draw.chance(0.5) && { endpoint: "http://a:1" }),
      started: "2024-11-19T07:06:40.000Z",
      lastHeartbeat: "2024-11-19T07:06:41.000Z",
      beat: draw.between(1, 99),
      nextInMs: 1_000,
      metrics: { vectorCount: draw.below(99), cacheHitRate: 0.5, memoryUsage: 1_000_000 },
    }),
    encode: encodeHeartbeat,
    decode: decodeHeartbeat,
  }),
  sealed({
    name: "assignment",
    sample(draw) {
      const partitionCount = draw.pick([1, 3, 16, 1_000]);
      const names = ["a", "b-1", "c_2", "__proto__"].slice(0, draw.between(1, 4));
      const lists = new Map(names.map((name) => [name, [] as number[]]));
      for (let i = 0; i < partitionCount; i++) lists.get(draw.pick(names))!.push(i);
      return { databaseId: DATABASE, version: 3, partitionCount, partitions: lists, nonce: "00" };
    },
    encode: encodeAssignment,
    decode: decodeAssignment,
    check({ partitions, partitionCount }) {
      const all = [...partitions.values()].flat().toSorted((a, b) => a - b);
      demandEqual(all, [...Array.from({ length: partitionCount }).keys()], "each partition once");
    },
  }),
  sealed({
    name: "event batch",
    sample: (draw) => ({
      hints: draw.list(draw.below(4), () => ({ type: "log", payload: { text: textOf(draw) } })),
    }),
    encode: encodeEventBatch,
    decode: decodeEventBatch,
  }),
  sealed({
    name: "fixed settings",
    sample: (draw) => settingsOf(draw),
    encode: encodeFixedSettings,
    decode: decodeFixedSettings,
  }),
];

function settingsOf(draw: Draw): ConfigDocument["settings"] {
  const mode = draw.pick(["last-write-wins", "vector-clock", "crdt"] as const);
  const { dimensions: _, ...settings } = CONFIG.settings;
  return {
    ...settings,
    ...(draw.chance(0.5) && { dimensions: draw.between(1, 9) }),
    ...(draw.chance(0.3) && { partitioner: "HashPartitioner" }),
    formatVersion: mode === "last-write-wins" ? 1 : 2,
    conflictResolution: mode,
  };
}

const config: FuzzTarget = {
  name: "config",
  weight: 2,
  sample(draw) {
    const settings = { ...settingsOf(draw), ...(draw.chance(0.5) && { pollInterval: 100 }) };
    const document = { ...CONFIG, settings, ...(draw.chance(0.3) && { note: textOf(draw) }) };
    return encodeConfig(draw.chance(0.7) ? sealConfig(document) : document);
  },
  mutate: mutateJsonBytes,
  read(input) {
    const document = decodeConfig(input, "k");
    demandEqual(decodeConfig(encodeConfig(document), "k"), document, "encoded again");
    isSealedConfig(document);
    demand(isSealedConfig(sealConfig(document)), "sealed by a program");
  },
};

const overrides: FuzzTarget = {
  name: "instance overrides",
  sample: (draw) =>
    encodeText(
      JSON.stringify({
        ...(draw.chance(0.5) && { role: draw.pick(["writer", "reader", "hybrid"]) }),
        heartbeatInterval: 1_000,
        compaction: draw.chance(0.5),
      }),
    ),
  mutate: mutateJsonBytes,
  read(input) {
    const decoded = decodeOverrides(input, "k");
    const again = encodeText(JSON.stringify(decoded));
    demandEqual(decodeOverrides(again, "k"), decoded, "encoded again");
  },
};

const attributes: FuzzTarget = {
  name: "attributes",
  sample: (draw) => encodeText(encodeAttributes(attributesOf(draw, "patch")) ?? "{}"),
  mutate: mutateJsonBytes,
  read(input) {
    const decoded = decodeAttributes(new TextDecoder().decode(input), "k");
    demandEqual(decodeAttributes(encodeAttributes(decoded)!, "k"), decoded, "encoded again");
  },
};

/** Every document that is JSON as a whole. */
export const JSON_TARGETS: readonly FuzzTarget[] = [...SEALED, config, overrides, attributes];
