import type { Clock } from "../base/clock.ts";
import type { Random } from "../base/random.ts";
import { decodeCheckpoint, type Checkpoint } from "../format/checkpoint.ts";
import {
  CONFIG_KEY,
  FIXED_SETTINGS_KEY,
  checkpointKey,
  manifestKey,
  parseCheckpointKey,
  parseManifestKey,
  parseSegmentKey,
  parseSlotKey,
} from "../format/keys.ts";
import { decodeManifest, type Manifest } from "../format/manifest.ts";
import type { ObjectInfo, ObjectStore } from "../storage/object-store.ts";
import { isCheckpointExpired } from "./checkpoint.ts";
import {
  MANIFESTS_KEPT,
  MANIFEST_LIVES_MIN_MS,
  isSurelyKept,
  referencedKeys,
} from "./collection.ts";
import { listLog, type LogListing } from "./log-listing.ts";
import { repairStore } from "./verify-repair.ts";
import { verifyConfig } from "./verify-config.ts";
import { verifyLog } from "./verify-log.ts";
import { ProblemList, type VerifyReport } from "./verify-report.ts";
import { SegmentVerification } from "./verify-segments.ts";

export type { VerifyProblem, VerifyReport } from "./verify-report.ts";

/** What to verify, and whether to act on it. */
export interface VerifyOptions {
  readonly store: ObjectStore;
  readonly clock: Clock;
  readonly random: Random;
  /** Also do what is safe, and mark what was put right. Default: change nothing. */
  readonly repair?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
  /** After each object, with their number so far. */
  readonly onProgress?: ((objects: number) => void) | undefined;
}

/** Kept by parts of the system that check them on their own. */
const KNOWN_ELSEWHERE = /^_brainy\/(probe|heartbeats|instances|leases|events)\//;

/**
 * Reads every object and checks it, by itself and against the others. Safe beside running
 * processes: what is listed first and gone later was collected, which is no finding.
 *
 * Costs a GET of every byte under the prefix. Holds about 100 bytes a row of the newest manifest.
 */
export async function verifyStore(options: VerifyOptions): Promise<VerifyReport> {
  const verification = new Verification(options);
  await verification.run();
  return verification.report();
}

class Verification {
  readonly #options: VerifyOptions;
  readonly #store: ObjectStore;
  readonly #found = new ProblemList();
  #objects = 0;
  #bytes = 0;

  constructor(options: VerifyOptions) {
    this.#options = options;
    this.#store = options.store;
  }

  readonly #step = (): void => {
    this.#options.signal?.throwIfAborted();
    this.#objects++;
    this.#options.onProgress?.(this.#objects);
  };

  async run(): Promise<void> {
    const { signal } = this.#options;
    // Everything that could be missing is listed before what refers to it is read.
    const listing = await listLog(this.#store, signal);
    const listed = await this.#list();
    const databaseId = await verifyConfig({
      ...this.#options,
      found: this.#found,
      step: this.#step,
    });
    const manifests = await this.#verifyManifests(databaseId, listing.storeMs);
    const newest = manifests.at(-1);
    const checkpoints = await this.#verifyCheckpoints(listed, databaseId ?? newest?.databaseId);
    if (newest === undefined) {
      this.#noteUnread(listed, listing);
      return;
    }
    const segments = new SegmentVerification(this.#store, this.#found, newest.databaseId);
    const pinned = checkpoints.map(({ manifest }) => manifest);
    const recent = manifests.filter((manifest) =>
      isSurelyKept(manifest, newest.number, listing.storeMs),
    );
    const named = [
      ...recent.map((manifest) => ({ key: manifestKey(manifest.number), manifest })),
      ...checkpoints.map(({ name, manifest }) => ({ key: checkpointKey(name), manifest })),
    ];
    const damaged = await segments.verifyAll(named, this.#step);
    await segments.verifyUnique(newest, damaged);
    const { store } = this;
    await verifyLog({
      store,
      found: this.#found,
      manifest: newest,
      listing,
      signal,
      step: this.#step,
    });
    this.#noteGarbage(listed, [...manifests, ...pinned]);
    if (this.#options.repair === true) {
      await repairStore({ ...this.#options, found: this.#found, newest, damaged });
    }
  }

  report(): VerifyReport {
    const { problems } = this.#found;
    const ok = problems.every(
      ({ severity, repaired }) => severity !== "error" || repaired === true,
    );
    return { ok, objects: this.#objects, bytes: this.#bytes, problems };
  }

  get store(): ObjectStore {
    return this.#store;
  }

  async #list(): Promise<readonly ObjectInfo[]> {
    const listed: ObjectInfo[] = [];
    for await (const page of this.#store.list({ signal: this.#options.signal })) {
      for (const object of page.objects) {
        listed.push(object);
        this.#bytes += object.bytesTotal;
        if (isKnown(object.key)) continue;
        this.#found.add("info", object.key, "not an object of this database: never touched");
        this.#step();
      }
    }
    return listed;
  }

  /** All that decode, ascending; empty when the newest does not, for then none can be trusted. */
  async #verifyManifests(databaseId: string | undefined, storeMs: number): Promise<Manifest[]> {
    const numbers: number[] = [];
    for await (const page of this.#store.list({ prefix: "_brainy/manifests/" })) {
      for (const { key } of page.objects) {
        const number = parseManifestKey(key);
        if (number !== undefined) numbers.push(number);
      }
    }
    numbers.sort((a, b) => a - b);
    const manifests: Manifest[] = [];
    for (const number of numbers) {
      const key = manifestKey(number);
      const object = await this.#store.get(key);
      if (object === undefined) continue;
      this.#step();
      const manifest = await this.#found.attempt(key, async () =>
        decodeManifest(object.bytes, key),
      );
      if (manifest === undefined) {
        if (number === numbers.at(-1)) return this.#noteBrokenHead(key);
        continue;
      }
      if (manifest.number !== number) this.#found.error(key, `calls itself ${manifest.number}`);
      if (databaseId !== undefined && manifest.databaseId !== databaseId) {
        this.#found.error(key, `belongs to database ${manifest.databaseId}, not ${databaseId}`);
      }
      const newest = numbers.at(-1) ?? number;
      this.#checkChain(
        key,
        manifests.at(-1),
        manifest,
        number > newest - MANIFESTS_KEPT + 1 &&
          storeMs - manifest.createdMs < MANIFEST_LIVES_MIN_MS,
      );
      manifests.push(manifest);
    }
    return manifests;
  }

  #noteBrokenHead(key: string): [] {
    this.#found.error(
      key,
      "the newest manifest is damaged, and nothing falls back by itself: restore this object " +
        "from a copy of the bucket (an older version of the key), or restore a backup into an " +
        "empty prefix. Deleting it would make its predecessor the newest, and lose what only it " +
        "covers and collection has removed since: do that only when no copy exists",
    );
    return [];
  }

  #checkChain(
    key: string,
    before: Manifest | undefined,
    manifest: Manifest,
    isPredecessorKept: boolean,
  ): void {
    if (before === undefined) return;
    // An older one may be what a stalled process created again, having lost the race for its number.
    const severity = isPredecessorKept ? "error" : "warning";
    const note = (problem: string): void => this.#found.add(severity, key, problem);
    if (manifest.number !== before.number + 1) {
      note(`follows manifest ${before.number}: those in between are missing`);
    }
    if (manifest.floor < before.floor) note("its floor is below the one before");
    if (manifest.epoch < before.epoch) note("its epoch is below the one before");
    if (manifest.epoch === before.epoch && manifest.holder !== before.holder) {
      note(`epoch ${manifest.epoch} has two holders`);
    }
  }

  async #verifyCheckpoints(
    listed: readonly ObjectInfo[],
    databaseId: string | undefined,
  ): Promise<Checkpoint[]> {
    const checkpoints: Checkpoint[] = [];
    for (const { key } of listed) {
      if (parseCheckpointKey(key) === undefined) continue;
      const object = await this.#store.get(key);
      if (object === undefined) continue;
      this.#step();
      const checkpoint = await this.#found.attempt(key, async () =>
        decodeCheckpoint(object.bytes, key),
      );
      if (checkpoint === undefined) continue;
      if (databaseId !== undefined && checkpoint.databaseId !== databaseId) {
        this.#found.error(key, `belongs to database ${checkpoint.databaseId}`);
      } else if (isCheckpointExpired(checkpoint, object.storeMs)) {
        this.#found.add("info", key, "expired: the next collection deletes it");
      } else checkpoints.push(checkpoint);
    }
    return checkpoints;
  }

  #noteGarbage(listed: readonly ObjectInfo[], manifests: readonly Manifest[]): void {
    const needed = referencedKeys(manifests);
    for (const { key } of listed) {
      if (parseSegmentKey(key) === undefined || needed.has(key)) continue;
      this.#found.add("info", key, "named by no manifest: garbage, or the work of a running job");
      this.#step();
    }
  }

  /** Without a manifest there may be log and nothing else; segments then belong to nothing. */
  #noteUnread(listed: readonly ObjectInfo[], listing: LogListing): void {
    this.#objects += listing.objectCount;
    const segments = listed.filter(({ key }) => parseSegmentKey(key) !== undefined);
    if (segments.length === 0) return;
    const [first] = segments;
    this.#found.error(
      first?.key ?? "",
      `${segments.length} segments exist, and no manifest that can be read names them`,
    );
  }
}

function isKnown(key: string): boolean {
  return (
    key === CONFIG_KEY ||
    key === FIXED_SETTINGS_KEY ||
    KNOWN_ELSEWHERE.test(key) ||
    parseManifestKey(key) !== undefined ||
    parseSlotKey(key) !== undefined ||
    parseSegmentKey(key) !== undefined ||
    parseCheckpointKey(key) !== undefined
  );
}
