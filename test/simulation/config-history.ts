import { CHANGEABLE_NAMES, pickChangeable } from "../../src/format/changeable-settings.ts";
import {
  FIXED_SETTINGS,
  decodeConfig,
  isSealedConfig,
  type ConfigDocument,
  type ConfigSettings,
} from "../../src/format/config.ts";
import { decodeFixedSettings } from "../../src/format/fixed-settings.ts";
import { CONFIG_KEY, FIXED_SETTINGS_KEY } from "../../src/format/keys.ts";

/** One content of `config.json`. */
export interface StoredDocument {
  readonly bytes: Uint8Array;
  /** `undefined` where it does not decode. */
  readonly config: ConfigDocument | undefined;
  /** `doubtful`: nobody who opens now can tell what it lacks. */
  readonly verdict: "right" | "doubtful" | "wrong";
}

/**
 * Every content that `config.json` has had, in order, and the judge of what programs make of what
 * people upload: a program changes no setting that may change, touches nothing that is to be
 * refused, and lets no version fall.
 */
export class ConfigHistory {
  readonly #documents: StoredDocument[] = [];
  #fixed: ConfigSettings | undefined;
  /** What data depends on, as programs have written it last. */
  #agreed: ConfigSettings | undefined;
  #isHuman = false;
  #rightSinceMs = Number.NEGATIVE_INFINITY;
  uploads = 0;
  /** Changes that programs made to a document. */
  rewrites = 0;

  /** To be called with every object that takes effect in the store. */
  stored(key: string, bytes: Uint8Array, nowMs: number): void {
    if (key === FIXED_SETTINGS_KEY) this.#fixed = decodeFixedSettings(bytes, key);
    if (key !== CONFIG_KEY) return;
    const before = this.newest;
    if (before?.verdict === "wrong" || before?.verdict === "doubtful") this.#rightSinceMs = nowMs;
    const document = this.#judge(bytes);
    this.#documents.push(document);
    if (this.#isHuman) this.uploads++;
    else this.#checkProgram(before, document);
  }

  /** What `run` stores was written by a person. */
  byHand(run: () => void): void {
    this.#isHuman = true;
    run();
    this.#isHuman = false;
  }

  get newest(): StoredDocument | undefined {
    return this.#documents.at(-1);
  }

  /** Whether data depends on settings that somebody has kept a copy of. */
  get isFixed(): boolean {
    return this.#fixed !== undefined;
  }

  /** Contents that a person may have downloaded, oldest first. */
  get right(): readonly StoredDocument[] {
    return this.#documents.filter(({ verdict }) => verdict === "right");
  }

  /** Whether a document that is to be refused was there after `sinceMs`. */
  wasWrong(sinceMs: number): boolean {
    return (this.newest?.verdict ?? "right") !== "right" || this.#rightSinceMs >= sinceMs;
  }

  #judge(bytes: Uint8Array): StoredDocument {
    let config: ConfigDocument;
    try {
      config = decodeConfig(bytes, CONFIG_KEY);
    } catch {
      return { bytes, config: undefined, verdict: "wrong" };
    }
    const { settings } = config;
    const differs = (from: ConfigSettings | undefined): boolean =>
      from !== undefined &&
      FIXED_SETTINGS.some((name) => from[name] !== undefined && from[name] !== settings[name]);
    if (differs(this.#fixed)) return { bytes, config, verdict: "wrong" };
    return { bytes, config, verdict: differs(this.#agreed) ? "doubtful" : "right" };
  }

  #checkProgram(before: StoredDocument | undefined, after: StoredDocument): void {
    const { config } = after;
    if (config === undefined || !isSealedConfig(config)) {
      throw new Error(`a program wrote ${new TextDecoder().decode(after.bytes)}`);
    }
    this.#agreed = config.settings;
    if (before === undefined) return;
    this.rewrites++;
    const from = before.config;
    if (before.verdict === "wrong" || from === undefined) {
      throw new Error(`a program wrote ${CONFIG_KEY} over what is to be refused`);
    }
    const [was, is] = [from.settings, config.settings].map((all) => pickChangeable(all));
    for (const name of CHANGEABLE_NAMES) {
      if (was![name] === is![name]) continue;
      throw new Error(`a program changed ${name} from ${was![name]} to ${is![name]}`);
    }
    const isEdited =
      !isSealedConfig(from) || from.settings.dimensions !== config.settings.dimensions;
    if (config.version < from.version || (isEdited && config.version === from.version)) {
      throw new Error(`${CONFIG_KEY}: version ${config.version} follows ${from.version}`);
    }
  }
}
