import { Alarm } from "../base/alarm.ts";
import type { Clock } from "../base/clock.ts";
import { BrainyError, isBrainyError } from "../base/errors.ts";
import type { Random } from "../base/random.ts";
import {
  describeDifference,
  fixedDifference,
  hasFixedSettings,
  keepFixedSettings,
  readFixedSettings,
  type FixedDifference,
} from "../engine/fixed-settings.ts";
import { getDecoded } from "../engine/get-decoded.ts";
import { changeConfig, isReadAgain, readStored, type StoredConfig } from "../engine/settings.ts";
import {
  decodeConfig,
  isSealedConfig,
  type ConfigDocument,
  type ConfigSettings,
} from "../format/config.ts";
import { decodeOverrides, type InstanceOverrides } from "../format/instance-overrides.ts";
import type { WrongField } from "../format/json-fields.ts";
import { CONFIG_KEY, overridesKey } from "../format/keys.ts";
import type { Etag, ObjectStore, StoredObject } from "../storage/object-store.ts";
import {
  changesBetween,
  isViewOutdated,
  judgeConfig,
  unknownSettings,
  type SettingChange,
} from "./config-change.ts";
import { IDLE_AFTER_MS } from "./liveness.ts";
import type { InstanceView } from "./registry.ts";

/** How often the shared settings are looked at, while somebody uses this instance. */
const BUSY_MS = 10_000;
/** And when nobody has for ten minutes. */
const IDLE_MS = 60_000;
/**
 * How often overrides are looked for that were not there: rarely, because a store that grants
 * listing for one prefix only answers a missing key with a refusal, and a LIST has to tell which.
 */
const ABSENT_MS = 5 * 60_000;
/** How often one check goes after a document that others change under it. */
const ROUNDS_MAX = 4;

/** What became of a document that somebody changed. */
export type ConfigEvent =
  | {
      readonly type: "config_changed";
      /** Key of the document. */
      readonly source: string;
      /** Of the shared settings. */
      readonly version: number;
      readonly changes: readonly SettingChange[];
    }
  | {
      readonly type: "config_refused";
      readonly source: string;
      /** Path of the field, or `document` when it is none in particular. */
      readonly field: string;
      readonly was?: unknown;
      readonly is?: unknown;
      readonly wanted: string;
      readonly message: string;
    };

/** What a watcher watches, and whom it tells. */
export interface ConfigWatcherOptions {
  readonly store: ObjectStore;
  readonly clock: Clock;
  readonly random: Random;
  /** Whose overrides to look for; a name that was made up has none. */
  readonly instanceId: string | undefined;
  /** What the database works with, which may be known before a document was seen here. */
  readonly known?: (() => ConfigSettings | undefined) | undefined;
  /** Since the last operation of a user. */
  readonly idleMs: () => number;
  /** Once what it tells of is in use. */
  readonly onEvent: (event: ConfigEvent) => void;
  /** After `shared` or `overrides` have become others. */
  readonly onChange: () => void;
  readonly warn: (message: string) => void;
}

/**
 * Follows `config.json` and this instance's overrides while it runs: takes up what may change,
 * refuses what may not, and writes down again as ours what a person has uploaded.
 * Spec: docs/specs/shared-config.md.
 */
export class ConfigWatcher {
  readonly #options: ConfigWatcherOptions;
  readonly #stopping = new AbortController();
  readonly #alarm = new Alarm();
  /** The document that this run works with. */
  #stored: StoredConfig | undefined;
  /** Of what was looked at last, which may have been refused. */
  #etag: Etag | undefined;
  #mustRewrite = false;
  #mayWrite = false;
  #hasKept = false;
  #overrides: InstanceOverrides = {};
  #overridesEtag: Etag | undefined;
  /** When they were looked for, by the monotonic clock. */
  #overridesMs = 0;
  #isThorough = false;
  /** What is in the store and not in force. */
  #refused: Etag | "missing" | undefined;
  #turn: Promise<void> = Promise.resolve();
  #waiting: Promise<void> | undefined;
  #running: Promise<void> | undefined;
  readonly #warned = new Set<string>();

  private constructor(options: ConfigWatcherOptions) {
    this.#options = options;
  }

  /** Reads both documents, and fails with what is wrong about them: nothing runs yet. */
  static async open(options: ConfigWatcherOptions): Promise<ConfigWatcher> {
    const watcher = new ConfigWatcher(options);
    const { store } = options;
    const [stored] = await Promise.all([readStored(store), watcher.#openOverrides()]);
    watcher.#stored = stored;
    watcher.#etag = stored?.etag;
    if (stored !== undefined) {
      watcher.#warnOfUnknown(stored.config);
      watcher.#mustRewrite = !isSealedConfig(stored.config);
    }
    return watcher;
  }

  /** `undefined` while the store is empty. */
  get config(): ConfigDocument | undefined {
    return this.#stored?.config;
  }

  get overrides(): InstanceOverrides {
    return this.#overrides;
  }

  /** From here on it looks by itself, and writes where `mayWrite`. */
  start({ mayWrite }: { readonly mayWrite: boolean }): void {
    this.#mayWrite = mayWrite;
    this.#running ??= this.#run();
  }

  /**
   * Looks now: one conditional GET, and one of the overrides. Calls that come while one waits for
   * its turn share it. Rejects when the store does not answer. `thorough` looks for overrides that
   * were not there, too.
   */
  check({ thorough = false }: { readonly thorough?: boolean } = {}): Promise<void> {
    this.#isThorough ||= thorough;
    this.#waiting ??= this.#inTurn(() => {
      this.#waiting = undefined;
      return this.#check();
    });
    return this.#waiting;
  }

  /**
   * Shows these instances in the document, where it says of others. A document that was refused,
   * or that somebody changes at this moment, is left alone: the next look comes back to it.
   */
  show(instances: Readonly<Record<string, InstanceView>>): Promise<void> {
    return this.#inTurn(async () => {
      const stored = this.#stored;
      if (
        stored === undefined ||
        this.#refused !== undefined ||
        this.#mustRewrite ||
        !this.#mayWrite
      )
        return;
      if (!isViewOutdated(stored.config.instances, instances)) return;
      const changed = await this.#change({ stored, instances }, () => undefined);
      if (typeof changed === "object") this.#adopt(changed);
    });
  }

  /** Stops looking. Idempotent. */
  async close(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
    await this.#turn;
  }

  #inTurn(run: () => Promise<void>): Promise<void> {
    const done = this.#turn.then(run);
    this.#turn = done.catch(() => undefined);
    return done;
  }

  async #run(): Promise<void> {
    const { clock, idleMs } = this.#options;
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      try {
        await this.check();
        this.#warned.delete("look");
      } catch (error) {
        this.#warn("look", `cannot look at the shared settings: ${String(error)}`);
      }
      const waitMs = idleMs() >= IDLE_AFTER_MS ? IDLE_MS : BUSY_MS;
      await this.#alarm.sleep(clock, waitMs, signal).catch(() => undefined);
    }
  }

  async #check(): Promise<void> {
    await this.#checkOverrides();
    for (let round = 0; round < ROUNDS_MAX; round++) {
      if (await this.#checkConfig()) return;
    }
  }

  /** `false`: it has changed under this check. */
  async #checkConfig(): Promise<boolean> {
    const { store } = this.#options;
    if (this.#stored === undefined) return this.#findConfig();
    const known = this.#stored;
    const found = await store.getIfChanged(CONFIG_KEY, this.#etag ?? known.etag);
    if (found === "unchanged") return this.#rewrite(known.config);
    if (found === undefined) {
      if (this.#refused === "missing") return true;
      this.#refuse("missing", { field: "document", wanted: "it was deleted: restore it" });
      return true;
    }
    if (!isSealedBytes(found.bytes) && !(await isReadAgain(store, CONFIG_KEY, found.bytes)))
      return false;
    const config = this.#decode(found.bytes, found.etag);
    if (config === undefined) return true;
    const verdict = judgeConfig(known.config, config);
    const difference =
      verdict.kind === "refuse" ? verdict.difference : await this.#unseen(known.config, config);
    if (difference !== undefined) {
      this.#refuse(found.etag, { ...difference, wanted: describeDifference(difference) });
      return true;
    }
    const mustRewrite = verdict.kind === "adopt" && verdict.mustRewrite;
    this.#adopt({ config, etag: found.etag });
    this.#mustRewrite = mustRewrite;
    if (mustRewrite) this.#warnOfUnknown(config);
    const isOurs = await this.#rewrite(known.config);
    this.#tell(CONFIG_KEY, changesBetween(known.config.settings, config.settings));
    return isOurs;
  }

  /** What was fixed after the document was downloaded that somebody has edited, and unseen here. */
  async #unseen(
    known: ConfigDocument,
    edited: ConfigDocument,
  ): Promise<FixedDifference | undefined> {
    if (isSealedConfig(edited)) return undefined;
    const own = this.#options.known?.();
    const difference = own && fixedDifference(own, edited.settings);
    if (difference !== undefined) return difference;
    const kept = await readFixedSettings(this.#options.store).catch((error: unknown) => {
      // Where the dimensions are known so is all that the copy could say.
      const isNeeded = (own ?? known.settings).dimensions === undefined;
      if (isNeeded || !isBrainyError(error, "BRAINY_CORRUPT")) throw error;
      return undefined;
    });
    // A copy of a database that was deleted says nothing about this one.
    if (kept?.databaseId !== known.settings.databaseId) return undefined;
    return fixedDifference(kept, edited.settings);
  }

  /** `undefined`: it was refused. */
  #decode(bytes: Uint8Array, etag: Etag): ConfigDocument | undefined {
    try {
      return decodeConfig(bytes, CONFIG_KEY);
    } catch (error) {
      if (!isBrainyError(error)) throw error;
      this.#refuse(etag, partsOf(error));
      return undefined;
    }
  }

  /** The first document of a store that was empty. */
  async #findConfig(): Promise<boolean> {
    const stored = await readStored(this.#options.store);
    if (stored === undefined || stored.etag === this.#refused) return true;
    const known = this.#options.known?.();
    const difference = known && fixedDifference(known, stored.config.settings);
    if (difference !== undefined) {
      this.#refuse(stored.etag, { ...difference, wanted: describeDifference(difference) });
      return true;
    }
    this.#adopt(stored);
    this.#mustRewrite = !isSealedConfig(stored.config);
    this.#warnOfUnknown(stored.config);
    const isOurs = await this.#rewrite(stored.config);
    this.#tell(CONFIG_KEY, changesBetween({}, stored.config.settings));
    return isOurs;
  }

  /** Makes a document ours that a person wrote. `false`: somebody else was there first. */
  async #rewrite({ version: versionBefore }: ConfigDocument): Promise<boolean> {
    const stored = this.#stored!;
    if (!this.#mayWrite || this.#refused !== undefined) return true;
    if (!this.#mustRewrite) {
      await this.#keepFixed(stored.config);
      return true;
    }
    const { settings } = stored.config;
    const changed = await this.#change({ stored, settings, versionBefore }, (why) =>
      this.#warn("write", `cannot write ${CONFIG_KEY}: ${why}`),
    );
    if (changed === "lost") return false;
    if (changed === "refused") return true;
    this.#warned.delete("write");
    this.#adopt(changed);
    return true;
  }

  /** Once a run: a copy that a crash, or a hand that filled in dimensions, has left unwritten. */
  async #keepFixed({ settings }: ConfigDocument): Promise<void> {
    if (this.#hasKept || settings.dimensions === undefined) return;
    const { store } = this.#options;
    if (!(await hasFixedSettings(store))) await keepFixedSettings(store, settings);
    this.#hasKept = true;
  }

  async #change(
    change: Omit<Parameters<typeof changeConfig>[0], "store" | "clock" | "random">,
    refused: (why: string) => void,
  ): Promise<StoredConfig | "lost" | "refused"> {
    const { store, clock, random } = this.#options;
    try {
      return (await changeConfig({ store, clock, random, ...change })) ?? "lost";
    } catch (error) {
      if (!isBrainyError(error)) throw error;
      // Where this run may not write, what it reads is in force all the same. A store that is full
      // will have room again: the next look tries it.
      const mayNot =
        isBrainyError(error, "BRAINY_DENIED") || isBrainyError(error, "BRAINY_UNSUPPORTED");
      if (mayNot) this.#mayWrite = false;
      refused(error.message);
      return "refused";
    }
  }

  #adopt(stored: StoredConfig): void {
    this.#stored = stored;
    this.#etag = stored.etag;
    this.#mustRewrite = false;
    this.#refused = undefined;
    this.#options.onChange();
  }

  async #openOverrides(): Promise<void> {
    const { store, clock, instanceId } = this.#options;
    if (instanceId === undefined) return;
    const key = overridesKey(instanceId);
    const decode = ({ bytes, etag }: StoredObject) => ({
      overrides: decodeOverrides(bytes, key),
      etag,
    });
    const found = await getDecoded(store, key, decode);
    this.#overridesMs = clock.monotonicMs();
    this.#overridesEtag = found?.etag;
    if (found !== undefined) this.#overrides = found.overrides;
  }

  async #checkOverrides(): Promise<void> {
    const { store, clock, instanceId } = this.#options;
    if (instanceId === undefined) return;
    const key = overridesKey(instanceId);
    const etag = this.#overridesEtag;
    const nowMs = clock.monotonicMs();
    const isEarly = nowMs - this.#overridesMs < ABSENT_MS && !this.#isThorough;
    if (etag === undefined && isEarly) return;
    this.#isThorough = false;
    this.#overridesMs = nowMs;
    const found = etag === undefined ? await store.get(key) : await store.getIfChanged(key, etag);
    if (found === "unchanged") return;
    // The next look comes back to what was damaged on its way.
    if (found !== undefined && !(await isReadAgain(store, key, found.bytes))) return;
    this.#overridesEtag = found?.etag;
    const before = this.#overrides;
    try {
      this.#overrides = found === undefined ? {} : decodeOverrides(found.bytes, key);
    } catch (error) {
      if (!isBrainyError(error)) throw error;
      this.#options.onEvent(refusal(key, partsOf(error)));
      return;
    }
    if (before.role !== this.#overrides.role) {
      this.#options.warn(`${key}: another role applies when this instance starts again`);
    }
    this.#options.onChange();
    this.#tell(key, changesBetween(before, this.#overrides));
  }

  #tell(source: string, changes: readonly SettingChange[]): void {
    if (changes.length === 0) return;
    const version = this.#stored?.config.version ?? 0;
    this.#options.onEvent({ type: "config_changed", source, version, changes });
  }

  #refuse(what: Etag | "missing", difference: RefusedField): void {
    this.#refused = what;
    if (what !== "missing") this.#etag = what;
    this.#options.onEvent(refusal(CONFIG_KEY, difference));
  }

  #warnOfUnknown(config: ConfigDocument): void {
    const names = unknownSettings(config).join(", ");
    if (names === "") return;
    this.#warn(`unknown ${names}`, `${CONFIG_KEY}: settings unknown to this version: ${names}`);
  }

  /** Once, until it has gone well again. */
  #warn(about: string, message: string): void {
    if (this.#warned.has(about) || this.#stopping.signal.aborted) return;
    this.#warned.add(about);
    this.#options.warn(message);
  }
}

/** Whether a program wrote it, and nothing has become of it since. */
function isSealedBytes(bytes: Uint8Array): boolean {
  try {
    return isSealedConfig(decodeConfig(bytes, CONFIG_KEY));
  } catch {
    return false;
  }
}

interface RefusedField {
  readonly field: string;
  readonly was?: unknown;
  readonly is?: unknown;
  readonly wanted: string;
}

function refusal(source: string, refused: RefusedField): ConfigEvent {
  const { field, wanted } = refused;
  const message = wanted.includes(field) ? wanted : `${field}: ${wanted}`;
  return { type: "config_refused", source, ...refused, message: `${source} refused: ${message}` };
}

/** The field that an error of a decoder is about, as far as it says. */
function partsOf(error: BrainyError): RefusedField {
  const { field = "document", is, wanted } = (error.cause ?? {}) as Partial<WrongField>;
  return { field, ...(is !== undefined && { is }), wanted: wanted ?? error.message };
}
