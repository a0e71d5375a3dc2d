import { Brainy } from "../../src/brainy.ts";
import { isBrainyError, type ErrorCode } from "../../src/base/errors.ts";
import { concatBytes } from "../../src/base/bytes.ts";
import type { Operation } from "../../src/format/operation.ts";
import { SECTION } from "../../src/format/segment.ts";
import { decodeSlot, encodeSlot } from "../../src/format/slot.ts";
import type { BrainyRecord } from "../../src/types.ts";
import {
  mutateContainer,
  mutateJsonBytes,
  putTogether,
  takeApart,
  withSection,
} from "./containers.ts";
import type { Draw } from "./draw.ts";
import {
  CHECKPOINT_NAME,
  DIMENSIONS,
  optionsOf,
  sampleDatabase,
  storeOf,
  type Objects,
} from "./engine-samples.ts";
import { mutateSealed } from "./json-targets.ts";
import { attributesOf, contentOf, metadataOf, vectorOf } from "./shapes.ts";
import { demand, type FuzzTarget } from "./target.ts";

/*
 * A whole database of which one object is wrong, with right checksums: opened, asked everything,
 * written to and compacted. Whatever is damaged, a call either works or says what is wrong.
 *
 * An input is `number of the database u32 │ number of the object u32 │ what the object is now`.
 */

const DATABASES = 4;

/** Damage, and what follows from it: objects that name other databases, or that are not there. */
const REFUSALS: readonly ErrorCode[] = [
  "BRAINY_CORRUPT",
  "BRAINY_UNSUPPORTED",
  "BRAINY_FENCED",
  "BRAINY_NOT_FOUND",
  "BRAINY_INVALID_ARGUMENT",
  "BRAINY_CONFLICT",
  // A state that names slots which are not there may become whole: it says so, and to run verify.
  "BRAINY_UNAVAILABLE",
];

const databases: Promise<Objects>[] = [];

function databaseOf(index: number): Promise<Objects> {
  return (databases[index] ??= sampleDatabase(index));
}

function inputOf(database: number, object: number, bytes: Uint8Array): Uint8Array {
  const head = new Uint8Array(Uint32Array.of(database, object).buffer);
  return concatBytes([head, bytes]);
}

function headOf(input: Uint8Array): readonly [database: number, object: number] {
  const view = new DataView(input.buffer, input.byteOffset);
  return [view.getUint32(0, true), view.getUint32(4, true)];
}

function mutateObject(key: string, bytes: Uint8Array, draw: Draw, other: Uint8Array): Uint8Array {
  if (key.endsWith("config.json")) return mutateJsonBytes(bytes, draw, other);
  if (key.endsWith(".json")) return mutateSealed(bytes, draw, other);
  const isSegment = key.endsWith(".seg");
  if (isSegment && draw.chance(0.5)) return mutateTexts(bytes, draw);
  if (key.includes("/wal/") && draw.chance(0.4)) return mutateOperations(bytes, draw);
  const jsonKinds = new Set<number>(isSegment ? [SECTION.meta] : [1]);
  return mutateContainer(bytes, { draw, other, shape: { jsonKinds } });
}

const TEXT_SECTIONS = [
  SECTION.idBytes,
  SECTION.metadataBytes,
  SECTION.metadataBytes,
  SECTION.contentBytes,
  SECTION.attributesBytes,
  SECTION.vectors,
];

/** Characters of records are others; their number is the same, for the manifest knows it. */
function mutateTexts(bytes: Uint8Array, draw: Draw): Uint8Array {
  let parts = takeApart(bytes);
  for (let left = draw.between(1, 3); left > 0; left--) {
    const kind = draw.pick(TEXT_SECTIONS);
    const changed = parts.sections.find((section) => section.kind === kind)!.bytes.slice();
    const at = draw.below(changed.byteLength);
    if (kind === SECTION.vectors) changed.fill(0xff, at & ~3, (at & ~3) + 4);
    else changed[at] = draw.pick(Array.from('[]{}":,x0 \\', (text) => text.charCodeAt(0)));
    parts = withSection(parts, kind, changed);
  }
  return putTogether(parts);
}

/** Operations with texts, vectors and kinds that no author of ours gives them. */
function mutateOperations(bytes: Uint8Array, draw: Draw): Uint8Array {
  const slot = decodeSlot(bytes, "a sample");
  if (slot.operations.length === 0) return bytes;
  const at = draw.below(slot.operations.length);
  const vectors = [NaN, Infinity, 3e38].map((value) => Float32Array.of(value, 1, 2));
  const operations = slot.operations.map((operation, i): Operation => {
    if (i !== at || operation.kind === "delete") return operation;
    return {
      ...operation,
      ...draw.pick<Partial<Operation>>([
        { metadata: metadataOf(draw, true) },
        { metadata: metadataOf(draw, true), content: contentOf(draw, true) },
        { metadata: undefined },
        { content: undefined },
        ...(operation.vector === undefined ? [] : vectors.map((vector) => ({ vector }))),
        { vector: undefined },
        { kind: operation.kind === "put" ? "patch" : "put" },
        { attributes: attributesOf(draw, "patch") },
      ]),
    };
  });
  const widened = draw.chance(0.1) ? operations.map((one) => withDimension(one, draw)) : operations;
  return encodeSlot({ ...slot, operations: widened });
}

function withDimension(operation: Operation, draw: Draw): Operation {
  return operation.vector === undefined ? operation : { ...operation, vector: vectorOf(draw, 5) };
}

/** Calls, one after the other; damage in one does not keep the next from being made. */
async function attempt<Value>(
  name: string,
  call: () => Promise<Value>,
): Promise<Value | undefined> {
  try {
    return await call();
  } catch (error) {
    if (isBrainyError(error) && REFUSALS.includes(error.code)) {
      refused.push(error);
      return undefined;
    }
    if (error instanceof Error) error.message = `${name}: ${error.message}`;
    throw error;
  }
}

/** Errors of the input at hand: whether it was accepted is told by the first of them. */
let refused: unknown[] = [];

function checkRecord(record: BrainyRecord): void {
  const { id, vector, metadata } = record;
  demand(id !== "", "an id");
  demand(typeof metadata === "object" && metadata !== null, `metadata of ${id} is an object`);
  const isVector = vector === undefined || vector.every((value) => Number.isFinite(value));
  demand(isVector, () => `the vector of ${id} is ${vector?.join()}`);
}

/** An id that became another's is what only `verify` finds; where it finds nothing, ids are right. */
async function readAll(brain: Brainy, draw: Draw, isSound = false): Promise<void> {
  const include = ["metadata", "data", "text", "vector"] as const;
  const count = await attempt("count", () => brain.count());
  demand(count === undefined || count >= 0, "a count");
  for (const id of [`r${draw.below(12)}`, "absent"]) {
    const record = await attempt("get", () => brain.get(id, { include }));
    if (record === undefined) continue;
    demand(record.id === id, "the record that was asked for");
    checkRecord(record);
  }
  await attempt("getMany", () => brain.getMany(["r1", "r2", "r11"]));
  await attempt("has", () => brain.has("r3"));
  const query = [1, 0.5, -1];
  for (const filter of [undefined, { n: { $gt: 2 } }, { type: "t" }]) {
    const hits = await attempt("search", () =>
      brain.search(query, 5, { include, ...(filter && { filter }) }),
    );
    for (const [i, hit] of (hits ?? []).entries()) {
      checkRecord(hit);
      demand(Number.isFinite(hit.score), () => `the score of ${hit.id} is ${hit.score}`);
      demand(i === 0 || hits![i - 1]!.score >= hit.score, "best first");
    }
    const ids = new Set(hits?.map(({ id }) => id));
    demand(!isSound || ids.size === (hits?.length ?? 0), "each hit once");
  }
  await listAll(brain, isSound);
  const records = await attempt("exportAll", () => brain.exportAll());
  for (const record of records ?? []) checkRecord(record);
}

async function listAll(brain: Brainy, isSound: boolean): Promise<void> {
  let cursor: string | undefined;
  const ids: string[] = [];
  for (let page = 0; page < 20; page++) {
    const found = await attempt("list", () => brain.list({ limit: 4, ...(cursor && { cursor }) }));
    if (found === undefined) return;
    for (const { id } of found.records) ids.push(id);
    cursor = found.cursor;
    if (cursor === undefined) break;
  }
  demand(!isSound || cursor === undefined, "a list that ends");
  const ascends = ids.every((id, i) => i === 0 || id > ids[i - 1]!);
  demand(!isSound || ascends, () => `${ids.join()} ascend`);
}

/** Runs with what `open` gives, and closes it. */
async function using(brain: Brainy, use: (brain: Brainy) => Promise<void>): Promise<void> {
  try {
    await attempt("init", () => brain.init());
    await use(brain);
  } finally {
    await attempt("close", () => brain.close());
  }
}

async function writeAndRead(brain: Brainy, draw: Draw): Promise<void> {
  await attempt("update", () => brain.update("r4", { metadata: { n: 1 } }));
  await attempt("add", () => brain.add(Array(DIMENSIONS).fill(1), { n: 3 }, { id: "new" }));
  await attempt("delete", () => brain.delete(["r5"]));
  await attempt("compact", () => brain.compact());
  await readAll(brain, draw);
}

/** A database of which one object is wrong. */
export const ENGINE_TARGET: FuzzTarget = {
  name: "a whole database",
  refusals: REFUSALS,
  cpuMsMax: 2_000,
  allocatedBytesMax: 256 * 2 ** 20,
  async sample(draw) {
    const database = draw.below(DATABASES);
    const objects = [...(await databaseOf(database)).entries()];
    const kind = draw.pick([".seg", ".seg", "/wal/", "/wal/", "/manifests/", "json", "points"]);
    const fitting = objects.filter(([key]) => key.includes(kind));
    // The newest ones are what is read.
    const [key, bytes] = draw.pick(fitting.slice(draw.pick([-1, -2, -5])));
    return inputOf(
      database,
      objects.findIndex(([one]) => one === key),
      bytes,
    );
  },
  async mutate(input, draw, other) {
    const [database, object] = headOf(input);
    const [theirs, theirObject] = headOf(other);
    const [key] = [...(await databaseOf(database)).keys()].slice(object);
    const otherKey = [...(await databaseOf(theirs)).keys()][theirObject]!;
    const isAlike = otherKey.split(/[./]/).at(-1) === key!.split(/[./]/).at(-1);
    const bytes = input.subarray(8);
    const changed = mutateObject(key!, bytes, draw, isAlike ? other.subarray(8) : bytes);
    return inputOf(database, object, changed);
  },
  async read(input, draw) {
    const [database, object] = headOf(input);
    const objects = new Map(await databaseOf(database));
    const key = [...objects.keys()][object]!;
    objects.set(key, input.subarray(8));
    refused = [];
    const store = await storeOf(objects);
    const way = draw.pick(["read", "read", "checkpoint", "write"] as const);
    if (way === "read") {
      const options = { ...optionsOf(store, 1), readOnly: true };
      await using(new Brainy(options), async (brain) => {
        const report = await attempt("verify", () => brain.verify());
        await readAll(brain, draw, report?.ok);
      });
    } else if (way === "checkpoint") {
      const options = { ...optionsOf(store, 2), checkpoint: CHECKPOINT_NAME };
      await using(new Brainy(options), (brain) => readAll(brain, draw));
    } else await using(new Brainy(optionsOf(store, 3)), (brain) => writeAndRead(brain, draw));
    // What a caller did wrong, or could not know, only where settings say other things than before.
    const isSetting = key.includes("config") || key.includes("settings");
    const blame = refused.find((error) => isBrainyError(error, "BRAINY_INVALID_ARGUMENT"));
    demand(isSetting || blame === undefined, () => `the caller is blamed: ${String(blame)}`);
    if (refused.length > 0) throw refused[0];
  },
};
