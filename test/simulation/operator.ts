import { encodeText } from "../../src/base/bytes.ts";
import { CHANGEABLE_NAMES, type ChangeableSettings } from "../../src/format/changeable-settings.ts";
import type { ConfigDocument } from "../../src/format/config.ts";
import { CONFIG_KEY, overridesKey } from "../../src/format/keys.ts";
import type { ConfigHistory } from "./config-history.ts";
import type { Faults } from "./faults.ts";
import { HOUR, MINUTE } from "./plan.ts";
import type { Scheduler } from "./scheduler.ts";
import type { Bucket } from "./virtual-store.ts";
import type { World } from "./world.ts";

/** A slip, and the path of the field that a refusal has to name. */
interface Slip {
  readonly field: string;
  readonly text: string;
}

/**
 * A person with a text editor: downloads shared settings, thinks, and uploads what has become of
 * them, over whatever is there by then; now and then with a slip, which is put right later.
 */
export class Operator {
  readonly #scheduler: Scheduler;
  readonly #faults: Faults;
  readonly #bucket: Bucket;
  readonly #history: ConfigHistory;
  #editsLeft: number;
  /** Edits that are thought about. */
  #open = 0;

  /** `edits`: how often something is uploaded. */
  constructor({ scheduler, faults, bucket }: World, history: ConfigHistory, edits: number) {
    this.#scheduler = scheduler;
    this.#faults = faults;
    this.#bucket = bucket;
    this.#history = history;
    this.#editsLeft = edits;
  }

  /** Works on by itself until `stop`. */
  start(): void {
    if (this.#editsLeft-- <= 0) return;
    const scheduler = this.#scheduler;
    scheduler.after(scheduler.below(scheduler.pick([20_000, 5 * MINUTE, HOUR])), () => {
      if (this.#editsLeft < 0) return;
      this.#edit();
      this.start();
    });
  }

  /** Begins nothing any more. */
  stop(): void {
    this.#editsLeft = -1;
  }

  get isIdle(): boolean {
    return this.#open === 0;
  }

  /** Other shared settings than those that are there, without a slip. */
  change(): void {
    const { settings } = this.#history.right.at(-1)!.config!;
    let changed: ChangeableSettings;
    do changed = this.#settings();
    while (CHANGEABLE_NAMES.every((name) => (changed[name] ?? settings[name]) === settings[name]));
    this.#upload(withSettings(this.#history.right.at(-1)!.config!, changed));
  }

  /** What nobody may take up. Returns the field that is wrong. */
  slip(): string {
    const { config } = this.#history.right.at(-1)!;
    const { field, text } = this.#slipOf(config!);
    this.#uploadText(text);
    return field;
  }

  /** What one instance is told. */
  override(instanceId: string, settings: ChangeableSettings): void {
    const bytes = encodeText(JSON.stringify(settings));
    this.#bucket.put(overridesKey(instanceId), new Uint8Array(bytes), undefined);
  }

  #edit(): void {
    const { right } = this.#history;
    const scheduler = this.#scheduler;
    if (right.length === 0) return;
    this.#open++;
    const isOld = scheduler.chance(0.2);
    const { config, bytes } = isOld ? scheduler.pick(right) : right.at(-1)!;
    const thinksMs = scheduler.pick([0, 2_000, 5 * MINUTE]);
    const rightAgainMs = scheduler.pick([30_000, 10 * MINUTE, 2 * HOUR]);
    const isAsItWas = isOld && scheduler.chance(0.5);
    const isSlip = this.#faults.occurs("wrong-upload", 0.3);
    scheduler.after(thinksMs, () => {
      if (isSlip) {
        this.#uploadText(this.#slipOf(config!).text);
        scheduler.after(rightAgainMs, () => {
          this.#open--;
          this.change();
        });
        return;
      }
      this.#open--;
      if (isAsItWas) this.#uploadText(new TextDecoder().decode(bytes));
      else this.#upload(withSettings(config!, this.#settings()));
    });
  }

  #settings(): ChangeableSettings {
    const scheduler = this.#scheduler;
    return scheduler.pick<ChangeableSettings>([
      { heartbeatInterval: scheduler.pick([5_000, 20_000, 60_000]) },
      { instanceTimeout: scheduler.pick([15_000, 60_000, 120_000]) },
      { pollInterval: scheduler.pick([500, 5_000, 30_000]) },
      { flushInterval: scheduler.pick([0, 1_000, 60_000]) },
      { compaction: scheduler.chance(0.7) },
      { verbose: scheduler.chance(0.5) },
    ]);
  }

  #slipOf(config: ConfigDocument): Slip {
    const changed = (settings: object): string =>
      JSON.stringify({ ...config, settings: { ...config.settings, ...settings } });
    const slips: Slip[] = [
      { field: "document", text: JSON.stringify(config).slice(0, 70) },
      { field: "settings.heartbeatInterval", text: changed({ heartbeatInterval: 5 }) },
      { field: "settings.compaction", text: changed({ compaction: "yes" }) },
    ];
    // Before anybody keeps a copy a new process has nothing to hold a document against.
    if (this.#history.isFixed) {
      slips.push(
        { field: "settings.distanceMetric", text: changed({ distanceMetric: "dot" }) },
        { field: "settings.partitionCount", text: changed({ partitionCount: 7 }) },
      );
    }
    return this.#scheduler.pick(slips);
  }

  #upload(config: ConfigDocument): void {
    this.#uploadText(JSON.stringify(config, undefined, 2));
  }

  #uploadText(text: string): void {
    this.#scheduler.note(`somebody uploads ${CONFIG_KEY}: ${text.replaceAll(/\s+/g, " ")}`);
    const bytes = new Uint8Array(encodeText(text));
    this.#history.byHand(() => this.#bucket.put(CONFIG_KEY, bytes, undefined));
  }
}

function withSettings(config: ConfigDocument, settings: ChangeableSettings): ConfigDocument {
  return { ...config, settings: { ...config.settings, ...settings } };
}
