import { expect } from "vitest";
import { ulidFactory } from "../../src/base/ids.ts";
import { randomHex, seededRandom, type Random } from "../../src/base/random.ts";
import { slotKey } from "../../src/format/keys.ts";
import { emptyManifest, type Manifest } from "../../src/format/manifest.ts";
import type { Operation } from "../../src/format/operation.ts";
import { SegmentReader } from "../../src/format/segment-reader.ts";
import { decodeSlot, encodeSlot, type Slot } from "../../src/format/slot.ts";
import { makeVersion, type LaneId, type Version } from "../../src/format/version.ts";
import { DEFAULT_COMPACTION, type CompactionOptions } from "../../src/engine/compaction-plan.ts";
import { loadDeletions } from "../../src/engine/deletion-store.ts";
import { inlineExecutor } from "../../src/engine/executor-inline.ts";
import { isFinished, uncoveredTails } from "../../src/engine/lane-ledger.ts";
import { listLog } from "../../src/engine/log-listing.ts";
import {
  Maintenance,
  type MaintenanceEvent,
  type MaintenanceOptions,
} from "../../src/engine/maintenance.ts";
import { readNewestManifest } from "../../src/engine/manifest-store.ts";
import { foldFor, type RecordFold } from "../../src/engine/record-fold.ts";
import type { RecordState, VisibleRecord } from "../../src/engine/record-state.ts";
import type { ConflictResolution } from "../../src/format/config.ts";
import { stateOfResidual } from "../../src/engine/state-row.ts";
import { storeRange } from "../../src/engine/store-range.ts";
import type { ObjectStore } from "../../src/storage/object-store.ts";
import { MemoryStore } from "../../src/storage/adapters/memory.ts";
import { ManualClock } from "./manual-clock.ts";

/** One store, and everything that plays on it. */
export class Fleet {
  readonly clock: ManualClock;
  readonly store: MemoryStore;
  readonly random: Random;
  readonly databaseId = "db";
  readonly newUlid: () => string;
  /** Every operation that was acknowledged. */
  readonly acknowledged: Operation[] = [];

  readonly resolution: ConflictResolution | undefined;
  readonly fold: RecordFold;

  /** A store of the test's own ages by the clock that it was given. */
  constructor(
    seed = 1,
    store?: MemoryStore,
    clock = new ManualClock(),
    resolution?: ConflictResolution,
  ) {
    this.clock = clock;
    this.resolution = resolution;
    this.fold = foldFor(resolution);
    this.store = store ?? new MemoryStore({ clock: this.clock });
    this.random = seededRandom(seed);
    this.newUlid = ulidFactory(this.clock, this.random);
  }

  maintenance(options: Partial<MaintenanceOptions> & { compaction?: CompactionOptions } = {}): {
    readonly maintenance: Maintenance;
    readonly events: MaintenanceEvent[];
    readonly incarnation: string;
  } {
    const { store, clock, random, databaseId } = this;
    const events: MaintenanceEvent[] = [];
    const incarnation = options.incarnation ?? this.newUlid();
    const maintenance = new Maintenance({
      store,
      clock,
      random,
      databaseId,
      executor: inlineExecutor({ store: options.store ?? store, clock, random }),
      compaction: compaction({ conflictResolution: this.resolution }),
      host: {
        adopt: async () => undefined,
        partitionCount: 1,
        dimensions: () => undefined,
        log: (event) => void events.push(event),
      },
      ...options,
      incarnation,
    });
    return { maintenance, events, incarnation };
  }

  async newest(): Promise<Manifest> {
    return (await readNewestManifest(this.store)) ?? emptyManifest(this.databaseId);
  }

  /** Opens a lane as the protocol says: open record first, then read, then stamp. */
  async openLane(options: { readonly skewMs?: number } = {}): Promise<TestLane> {
    const lane = new TestLane(this, options.skewMs ?? 0);
    await lane.open();
    return lane;
  }

  /** What readers must see: the fold of everything acknowledged. */
  expected(): Map<string, VisibleRecord> {
    const states = new Map<string, RecordState>();
    for (const operation of this.acknowledged) joinState(states, operation, this.fold);
    return visibleOf(states, this.fold);
  }

  /** What is in the store. Fails on two unmasked rows of one id. */
  async visible(): Promise<Map<string, VisibleRecord>> {
    const manifest = await this.newest();
    return visibleOf(await statesOf(this.store, manifest, this.fold), this.fold);
  }

  async expectNothingLost(): Promise<void> {
    const seen = await this.visible();
    const expected = this.expected();
    expect(plain(seen)).toEqual(plain(expected));
  }
}

/** A writer's lane, without a writer. */
export class TestLane {
  readonly id: LaneId;
  readonly incarnation: string;
  readonly #fleet: Fleet;
  readonly #skewMs: number;
  next = 0;
  lastMillis = 0;
  #counter = 0;
  lastVersion: Version | undefined;

  constructor(fleet: Fleet, skewMs: number) {
    this.#fleet = fleet;
    this.#skewMs = skewMs;
    this.id = fleet.newUlid() as LaneId;
    this.incarnation = fleet.newUlid();
  }

  stamp(): Version {
    const now = this.#fleet.clock.nowMs() + this.#skewMs;
    if (now > this.lastMillis) {
      this.lastMillis = now;
      this.#counter = 0;
    } else this.#counter++;
    this.lastVersion = makeVersion(this.lastMillis, this.#counter, this.id);
    return this.lastVersion;
  }

  /** Raises the clock above `version`. */
  observe(version: Version): void {
    const millis = Number.parseInt(version.slice(0, 12), 16);
    if (millis < this.lastMillis) return;
    this.lastMillis = millis + 1;
    this.#counter = 0;
  }

  async open(): Promise<void> {
    await this.createOpenRecord();
    await this.readAll();
  }

  createOpenRecord(): Promise<boolean> {
    return this.#put("open", this.stamp(), []);
  }

  async readAll(): Promise<void> {
    const { store } = this.#fleet;
    const listing = await listLog(store);
    const manifest = await this.#fleet.newest();
    this.observe(manifest.maxVersion);
    for (const { lane, to } of uncoveredTails({ manifest, listing })) {
      const slot = await readSlot(store, lane, to - 1);
      this.observe(slot.version);
    }
  }

  /** `false`: the slot is taken, by a seal. */
  async append(drafts: readonly Omit<Operation, "version">[]): Promise<boolean> {
    const operations = drafts.map((draft): Operation =>
      Object.assign({ version: this.stamp() }, draft),
    );
    const isWritten = await this.#put("operations", this.lastVersion!, operations);
    if (isWritten) this.#fleet.acknowledged.push(...operations);
    return isWritten;
  }

  close(): Promise<boolean> {
    return this.#put("seal", this.lastVersion!, []);
  }

  async #put(
    kind: Slot["kind"],
    version: Version,
    operations: readonly Operation[],
  ): Promise<boolean> {
    const { store, random, databaseId } = this.#fleet;
    const bytes = encodeSlot({
      kind,
      databaseId,
      lane: this.id,
      number: this.next,
      incarnation: this.incarnation,
      nonce: randomHex(random, 8),
      version,
      operations,
    });
    try {
      await store.put(slotKey(this.id, this.next), bytes, { condition: { ifAbsent: true } });
    } catch {
      return false;
    }
    this.next++;
    return true;
  }
}

export function compaction(options: Partial<CompactionOptions>): CompactionOptions {
  return { ...DEFAULT_COMPACTION, partitionCount: 1, ...options };
}

export function put(
  id: string,
  value: unknown,
  vector?: readonly number[],
): Omit<Operation, "version"> {
  return {
    kind: "put",
    id,
    content: JSON.stringify({ text: String(value) }),
    metadata: JSON.stringify({ value }),
    ...(vector === undefined ? {} : { vector: Float32Array.from(vector) }),
  };
}

export function patch(id: string, metadata: object): Omit<Operation, "version"> {
  return { kind: "patch", id, metadata: JSON.stringify(metadata) };
}

export function remove(id: string): Omit<Operation, "version"> {
  return { kind: "delete", id };
}

export async function readSlot(store: ObjectStore, lane: LaneId, number: number): Promise<Slot> {
  const key = slotKey(lane, number);
  const found = await store.get(key);
  if (found === undefined) throw new Error(`${key} is missing`);
  return decodeSlot(found.bytes, key);
}

/** A reader without haste: every unmasked row, then the tail. */
export async function statesOf(
  store: ObjectStore,
  manifest: Manifest,
  fold = foldFor(),
): Promise<Map<string, RecordState>> {
  const states = new Map<string, RecordState>();
  for (const segment of manifest.segments) {
    const reader = await SegmentReader.open(storeRange(store, segment), segment.key);
    const masked = new Set(await loadDeletions(store, segment));
    for (const [row, state] of (await rowStates(reader, fold)).entries()) {
      if (masked.has(row)) continue;
      const { id } = (state.base ?? state.patches[0])!;
      expect(states.has(id), `two unmasked rows of ${id}`).toBe(false);
      states.set(id, state);
    }
  }
  const listing = await listLog(store);
  for (const { lane, from, to } of uncoveredTails({ manifest, listing })) {
    for (let number = from; number < to; number++) {
      for (const operation of (await readSlot(store, lane, number)).operations) {
        if (operation.version > manifest.floor) joinState(states, operation, fold);
      }
    }
  }
  return states;
}

export async function rowStates(
  reader: SegmentReader,
  fold: RecordFold = foldFor(),
): Promise<RecordState[]> {
  const { stateOf } = fold;
  const ids = await reader.ids();
  const versions = await reader.versions();
  const residual = await reader.residual();
  const metadata = await reader.metadata();
  const content = await reader.content();
  const attributes = await reader.attributes();
  const { rows, liveRows, vectorRows, dimension } = reader.meta;
  const states: RecordState[] = [];
  for (let row = 0; row < rows; row++) {
    const operations = residual.get(row);
    const [id, version] = [ids.text(row), versions.version(row)];
    if (operations !== undefined) states.push(stateOfResidual(operations, fold));
    else if (row >= liveRows) states.push(stateOf({ kind: "delete", id, version }));
    else {
      const bytes = row < vectorRows ? await reader.vectorRows(row, row + 1) : undefined;
      const text = attributes.text(row);
      states.push(
        stateOf({
          kind: "put",
          id,
          version,
          vector: bytes && new Float32Array(bytes.slice().buffer, 0, dimension),
          content: content.text(row),
          metadata: metadata.text(row),
          attributes: text === "" ? undefined : JSON.parse(text),
        }),
      );
    }
  }
  return states;
}

function joinState(states: Map<string, RecordState>, operation: Operation, fold: RecordFold): void {
  const before = states.get(operation.id);
  const state = fold.stateOf(operation);
  states.set(operation.id, before === undefined ? state : fold.merge(before, state));
}

function visibleOf(
  states: ReadonlyMap<string, RecordState>,
  fold: RecordFold,
): Map<string, VisibleRecord> {
  const visible = new Map<string, VisibleRecord>();
  for (const [id, state] of states) {
    const record = fold.visible(state);
    if (record !== undefined) visible.set(id, record);
  }
  return visible;
}

function plain(records: ReadonlyMap<string, VisibleRecord>): unknown {
  return [...records.values()]
    .toSorted((a, b) => (a.id < b.id ? -1 : 1))
    .map((record) => ({ ...record, vector: record.vector && [...record.vector].slice(0, 4) }));
}

export { isFinished };
