import type { Clock } from "./base/clock.ts";
import { Coalesced } from "./cluster/coalesced.ts";
import { isViewOutdated } from "./cluster/config-change.ts";
import type { ConfigEvent, ConfigWatcher } from "./cluster/config-watcher.ts";
import type { Hints } from "./cluster/hints.ts";
import type { Registry } from "./cluster/registry.ts";
import type { ConfigDocument, ConfigSettings } from "./format/config.ts";
import type { InstanceOverrides } from "./format/instance-overrides.ts";
import { CONFIG_KEY } from "./format/keys.ts";
import { LiveSettings } from "./live-settings.ts";
import type { ResolvedOptions } from "./options.ts";
import type { ObjectStore } from "./storage/object-store.ts";

/** Hints make no instance look at the settings more often than this. */
const LOOK_SPACING_MS = 500;

/** What the settings of a session are told with, and whom they tell. */
export interface FleetSettingsOptions {
  readonly options: ResolvedOptions;
  readonly hints: Hints;
  /** What the database works with; `undefined` before it knows. */
  readonly known: () => ConfigSettings | undefined;
  readonly idleMs: () => number;
  readonly onEvent: (event: ConfigEvent, hidden: readonly string[]) => void;
  /** Other values are in force. */
  readonly onChange: () => void;
}

/**
 * The settings of one session that may change while it runs: what is in force, what watches the
 * documents that say so, and the hints that make it look at once.
 */
export class FleetSettings {
  readonly live: LiveSettings;
  readonly #options: FleetSettingsOptions;
  readonly #stopping = new AbortController();
  readonly #looking: Coalesced;
  readonly #showing: Coalesced;
  #fleet: (() => { readonly registry: Registry; readonly holder: string }) | undefined;
  #watcher: ConfigWatcher | undefined;
  /** The newest version that others have told of. */
  #hinted = 0;

  constructor(options: FleetSettingsOptions) {
    this.#options = options;
    this.live = new LiveSettings(options.options.given);
    const { signal } = this.#stopping;
    this.#looking = new Coalesced({
      clock: this.#clock,
      signal,
      spacingMs: LOOK_SPACING_MS,
      run: async () => this.#watcher?.check({ thorough: true }),
    });
    this.#showing = new Coalesced({
      clock: this.#clock,
      signal,
      spacingMs: 0,
      run: () => this.show(),
    });
  }

  /** As this instance works with it; `undefined` while the store is empty. */
  get config(): ConfigDocument | undefined {
    return this.#watcher?.config;
  }

  get overrides(): InstanceOverrides {
    return this.#watcher?.overrides ?? {};
  }

  /** Reads what there is, and rejects with what is wrong about it. */
  async open(store: ObjectStore): Promise<void> {
    const { options, idleMs, onEvent } = this.#options;
    const { distributed, random, logger } = options;
    const { ConfigWatcher } = await import("./cluster/config-watcher.ts");
    const watcher = await ConfigWatcher.open({
      store,
      clock: this.#clock,
      random,
      instanceId: distributed?.instanceId,
      known: this.#options.known,
      idleMs,
      onEvent: (event) => {
        onEvent(event, event.type === "config_changed" ? this.live.hidden(event) : []);
        this.#publish(event);
      },
      onChange: () => this.#use(),
      warn: (message) => logger.warn(`brainy: ${message}`),
    });
    this.#watcher = watcher;
    this.#use();
  }

  /** From here on they are looked at, by the clock and when others say that they have changed. */
  start(options: {
    readonly mayWrite: boolean;
    /** Who is there, and who maintains. */
    readonly fleet: () => { readonly registry: Registry; readonly holder: string };
  }): void {
    this.#fleet = options.fleet;
    // An instance may be closed while it opens.
    if (this.#stopping.signal.aborted) return;
    this.#watcher?.start(options);
    this.#options.hints.subscribe("config_changed", ({ payload: { version } }) => {
      if (Number.isSafeInteger(version)) this.#hinted = Math.max(this.#hinted, version as number);
      this.#looking.request();
    });
  }

  /** Looks soon: there is something new. */
  request(): void {
    this.#looking.request();
  }

  /** Looks now. */
  async check(): Promise<void> {
    await this.#watcher?.check();
  }

  /** Shows who is there, soon. Nothing waits for it: heartbeats go on meanwhile. */
  requestShow(): void {
    this.#showing.request();
  }

  /** Writes down who is there, when that has changed and it falls to this instance. */
  async show(): Promise<void> {
    const watcher = this.#watcher;
    const shown = watcher?.config?.instances;
    if (watcher === undefined || shown === undefined || this.#fleet === undefined) return;
    const { registry, holder } = this.#fleet();
    try {
      // Who leaves last has to know that it is the last, and not of half a minute ago.
      if (registry.isClosed && registry.role !== "reader") await registry.look();
      if (!registry.keepsView(holder) || !isViewOutdated(shown, registry.views())) return;
      await watcher.check();
      await watcher.show(registry.isClosed ? registry.views() : await registry.instances());
    } catch (error) {
      // A view for people: the next look comes back to it.
      const { logger } = this.#options.options;
      if (this.live.values.verbose) {
        logger.info(`brainy: cannot write down the instances: ${String(error)}`);
      }
    }
  }

  /** Looks no more by itself. */
  async close(): Promise<void> {
    this.#stopping.abort();
    await this.#looking.settled();
    await this.#showing.settled();
    await this.#watcher?.close();
  }

  get #clock(): Clock {
    return this.#options.options.clock;
  }

  #use(): void {
    this.live.use({ shared: this.config?.settings ?? {}, overrides: this.overrides });
    this.#options.onChange();
  }

  /** Whoever sees a change before others tell of it, tells of it. */
  #publish(event: ConfigEvent): void {
    const isShared = event.type === "config_changed" && event.source === CONFIG_KEY;
    if (!isShared || event.version <= this.#hinted) return;
    this.#hinted = event.version;
    this.#options.hints.publish("config_changed", { version: event.version });
  }
}
