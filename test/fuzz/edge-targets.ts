import { encodeText } from "../../src/base/bytes.ts";
import { checksum64 } from "../../src/base/checksum.ts";
import type { Entry } from "../../src/cli/importing/entry.ts";
import { jsonArray } from "../../src/cli/importing/json-array.ts";
import { jsonLines } from "../../src/cli/importing/json-lines.ts";
import { parseFilter, parseInclude, parseVector } from "../../src/cli/option-values.ts";
import { decodeHint, encodeHint } from "../../src/cluster/hint.ts";
import { decodeFrame, encodeHintFrame, encodeTopic } from "../../src/cluster/relay-frame.ts";
import { compileFilter } from "../../src/engine/filter.ts";
import { checkData, checkMetadata } from "../../src/engine/record-json.ts";
import {
  manifestKey,
  parseCheckpointKey,
  parseHeartbeatKey,
  parseLeaseKey,
  parseManifestKey,
  parseSegmentKey,
  parseSlotKey,
  checkpointKey,
  heartbeatKey,
  leaseKey,
  slotKey,
} from "../../src/format/keys.ts";
import {
  BLOCK_HEADER_BYTES,
  decodeBlockHeader,
  encodeBlockHeader,
} from "../../src/storage/adapters/disk-cache-block.ts";
import { mutateJsonBytes } from "./containers.ts";
import type { Draw } from "./draw.ts";
import { mutateBytes } from "./mutate-bytes.ts";
import { NASTY_TEXTS, anyJson, mutateText } from "./mutate-json.ts";
import { DATABASE, RUN, laneOf, textOf } from "./shapes.ts";
import { demand, demandEqual, type FuzzTarget } from "./target.ts";

/*
 * What comes from people, from peers and from a local disk.
 */

const textOfBytes = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

function sampleHint(draw: Draw) {
  return {
    type: draw.pick(["log", "index_updated", "compact", "config_changed"] as const),
    databaseId: DATABASE,
    instanceId: "w1",
    incarnation: RUN,
    payload: { lane: laneOf(draw), slot: draw.below(9), text: textOf(draw) },
  };
}

const hint: FuzzTarget = {
  name: "hint",
  refusals: [],
  sample: (draw) => encodeText(encodeHint(sampleHint(draw))!),
  mutate: mutateJsonBytes,
  read(input) {
    const decoded = decodeHint(textOfBytes(input));
    if (decoded === undefined) return false;
    const text = encodeHint(decoded);
    if (text !== undefined) demandEqual(decodeHint(text), decoded, "encoded again");
    return true;
  },
};

const frame: FuzzTarget = {
  name: "relay frame",
  refusals: [],
  sample: (draw) =>
    encodeText(
      draw.chance(0.7)
        ? encodeHintFrame(sampleHint(draw))!
        : encodeTopic(draw.pick(["join", "leave"]), DATABASE),
    ),
  mutate: mutateJsonBytes,
  read(input, draw) {
    const decoded = decodeFrame(input, draw.chance(0.02));
    if (decoded?.kind !== "hint") return decoded !== undefined;
    const text = encodeHintFrame(decoded.hint);
    if (text !== undefined) demandEqual(decodeFrame(encodeText(text), false), decoded, "again");
    return true;
  },
};

const PLACE = { name: Uint8Array.from({ length: 16 }, (_, i) => i), index: 2, blockBytes: 1_000 };

const block: FuzzTarget = {
  name: "disk cache block",
  refusals: [],
  sample(draw) {
    const bytes = draw.bytes(draw.pick([1, 999, 1_000]));
    const bytesTotal = 2_000 + bytes.byteLength;
    const etag = draw.pick(['"abc"', "ß", ""]) as never;
    return encodeBlockHeader(PLACE, { etag, bytesTotal, storeMs: 1_732_000_000_000 }, bytes)!;
  },
  mutate(input, draw, other) {
    const changed = mutateBytes(input, draw, other);
    if (changed.byteLength !== BLOCK_HEADER_BYTES || draw.chance(0.1)) return changed;
    const checksum = checksum64(changed.subarray(0, BLOCK_HEADER_BYTES - 8));
    new DataView(changed.buffer).setBigUint64(BLOCK_HEADER_BYTES - 8, checksum, true);
    return changed;
  },
  read(input) {
    const header = decodeBlockHeader(input, PLACE);
    if (header === undefined) return false;
    demand(header.bytes >= 1 && header.bytes <= PLACE.blockBytes, "a length that can be");
    demand(Number.isSafeInteger(header.bytesTotal), "a length of the whole");
    demand(Number.isFinite(header.storeMs), "a time");
    const again = encodeBlockHeader(PLACE, header, new Uint8Array(header.bytes));
    demand(again !== undefined, "encoded again");
    const { checksum: _, ...rest } = decodeBlockHeader(again, PLACE)!;
    demandEqual({ ...rest, checksum: header.checksum }, header, "decoded again");
    return true;
  },
};

const KEYS: readonly ((key: string) => string | undefined)[] = [
  (key) => both(parseManifestKey(key), (number) => manifestKey(number)),
  (key) => both(parseSlotKey(key), ({ lane, number }) => slotKey(lane, number)),
  (key) => both(parseCheckpointKey(key), (name) => checkpointKey(name)),
  (key) => both(parseLeaseKey(key), (partition) => leaseKey(partition)),
  (key) => both(parseHeartbeatKey(key), (one) => heartbeatKey(one.instanceId, one.incarnation)),
  (key) => both(parseSegmentKey(key), () => key),
];

function both<Value>(value: Value | undefined, encode: (value: Value) => string) {
  return value === undefined ? undefined : encode(value);
}

const key: FuzzTarget = {
  name: "key",
  refusals: [],
  sample: (draw) =>
    encodeText(
      draw.pick([
        manifestKey(draw.below(1_000)),
        slotKey(laneOf(draw), draw.below(1_000)),
        checkpointKey("before"),
        heartbeatKey("w1", laneOf(draw)),
        leaseKey(draw.below(1_000)),
        `vectors/p000-p099/${laneOf(draw)}.seg`,
      ]),
    ),
  mutate: (input, draw) => {
    const text = textOfBytes(input);
    const digits = /\d{3,}/g;
    return encodeText(
      draw.one<string>(
        [2, () => text.replaceAll(digits, (found) => "9".repeat(found.length))],
        [1, () => mutateText(text, draw)],
        [1, () => text + draw.pick(NASTY_TEXTS)],
        [1, () => textOfBytes(mutateBytes(input, draw))],
      ),
    );
  },
  read(input) {
    const text = textOfBytes(input);
    let isKnown = false;
    for (const again of KEYS) {
      const encoded = again(text);
      demand(encoded === undefined || encoded === text, () => `${text} is read as ${encoded}`);
      isKnown ||= encoded !== undefined;
    }
    return isKnown;
  },
};

const RECORDS = [
  { id: "a", metadata: { n: 1, s: "x", l: [1, "a"], o: { p: null } } },
  { id: "b", type: "t", domain: "d", metadata: {} },
];

const filter: FuzzTarget = {
  name: "filter",
  refusals: ["BRAINY_INVALID_ARGUMENT"],
  sample(draw) {
    const test = (): unknown =>
      draw.pick<unknown>([
        { n: { $gt: 1, $lt: 20 } },
        { s: { $in: ["x", 1, null] } },
        { l: { $contains: "a" }, "o.p": { $exists: true } },
        { l: { $containsAny: ["a"] } },
        { type: "t" },
        { $not: { n: 1 } },
        { s: { $startsWith: "x", $ne: "y" } },
      ]);
    return encodeText(JSON.stringify(draw.pick([test(), { $or: [test(), { $and: [test()] }] }])));
  },
  mutate: mutateJsonBytes,
  read(input) {
    const compiled = compileFilter(parseFilter(textOfBytes(input)));
    demand(typeof compiled.key === "string", "a key");
    for (const record of RECORDS)
      demand(typeof compiled.matches(record) === "boolean", "an answer");
  },
};

const commandLine: FuzzTarget = {
  name: "command line values",
  refusals: ["BRAINY_INVALID_ARGUMENT"],
  sample: (draw) => encodeText(draw.pick(["[0.1,0.2]", "metadata,text", "[]", " data "])),
  mutate: (input, draw) => encodeText(mutateText(textOfBytes(input), draw)),
  read(input, draw) {
    const text = textOfBytes(input);
    if (draw.chance(0.5)) parseInclude(text);
    else for (const value of parseVector(text)) demand(typeof value === "number", "numbers");
  },
};

const record: FuzzTarget = {
  name: "record JSON",
  refusals: ["BRAINY_INVALID_ARGUMENT", "BRAINY_LIMIT"],
  sample: (draw) => encodeText(JSON.stringify({ a: textOf(draw), b: [1, { c: draw.below(9) }] })),
  mutate: mutateJsonBytes,
  read(input) {
    let value: unknown;
    try {
      value = JSON.parse(textOfBytes(input));
    } catch {
      return false;
    }
    const data = checkData(value);
    demandEqual(JSON.parse(data), JSON.parse(JSON.stringify(value)), "the same value");
    demandEqual(JSON.parse(checkMetadata(value)), JSON.parse(data), "the same metadata");
    return true;
  },
};

/** Whatever cuts the bytes come in, the same records come out. */
async function entriesOf(
  read: typeof jsonLines,
  input: Uint8Array,
  cuts: readonly number[],
): Promise<Entry[]> {
  async function* chunks(): AsyncGenerator<Uint8Array> {
    let start = 0;
    for (const end of [...cuts, input.byteLength]) {
      if (end <= start) continue;
      yield input.subarray(start, end);
      start = end;
    }
  }
  const entries: Entry[] = [];
  for await (const entry of read("k", chunks(), {})) entries.push(entry);
  return entries;
}

function endsWithBytes(entries: readonly Entry[]): boolean {
  const last = entries.at(-1);
  return last?.kind === "problem" && last.problem.includes("UTF-8");
}

function importing(name: string, read: typeof jsonLines, frameOf: (rows: string[]) => string) {
  return {
    name,
    refusals: [],
    sample: (draw: Draw) =>
      encodeText(
        frameOf(
          draw.list(draw.below(6), (i) =>
            JSON.stringify({ id: String(i), metadata: { t: textOf(draw) }, data: anyJson(draw) }),
          ),
        ),
      ),
    mutate: (input: Uint8Array, draw: Draw, other: Uint8Array) =>
      draw.chance(0.6)
        ? mutateBytes(input, draw, other)
        : encodeText(mutateText(textOfBytes(input), draw)),
    async read(input: Uint8Array, draw: Draw) {
      const whole = await entriesOf(read, input, []);
      const cuts = draw.list(3, () => draw.below(input.byteLength)).toSorted((a, b) => a - b);
      const pieces = await entriesOf(read, input, cuts);
      // How much is read before bytes that are no text is a matter of the pieces.
      const isText = !endsWithBytes(whole);
      demandEqual(
        isText ? pieces : pieces.at(-1)?.kind,
        isText ? whole : whole.at(-1)?.kind,
        "in pieces",
      );
      return whole.some(({ kind }) => kind === "record");
    },
  } satisfies FuzzTarget;
}

/** What is not an object of the bucket. */
export const EDGE_TARGETS: readonly FuzzTarget[] = [
  hint,
  frame,
  block,
  key,
  filter,
  commandLine,
  record,
  importing("JSON lines", jsonLines, (rows) => rows.map((row) => `${row}\n`).join("")),
  importing("JSON array", jsonArray, (rows) => `[${rows.join(",\n")}]`),
];
