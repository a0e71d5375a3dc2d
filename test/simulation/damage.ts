import type { FaultKind, Faults } from "./faults.ts";
import { HOUR, MINUTE } from "./plan.ts";
import type { Scheduler } from "./scheduler.ts";

interface Held {
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** Objects that rot where they lie, until somebody puts the right bytes back. */
export class Damage<Object extends Held> {
  readonly #scheduler: Scheduler;
  readonly #faults: Faults;
  readonly #objects: Map<string, Object>;
  /** What was stored, and what is there instead. */
  readonly #damaged = new Map<string, { readonly right: Object; readonly wrong: Object }>();

  constructor(options: {
    readonly scheduler: Scheduler;
    readonly faults: Faults;
    readonly objects: Map<string, Object>;
  }) {
    this.#scheduler = options.scheduler;
    this.#faults = options.faults;
    this.#objects = options.objects;
  }

  /** With this chance one object of any kind is torn or gets another bit, for a while. */
  mayStrike(chance: number): void {
    const kind = this.#scheduler.pick(["torn-object", "bit-flip"] as const);
    const forMs = this.#scheduler.pick([1_000, 10 * MINUTE, 5 * HOUR]);
    const key = this.#victim();
    const [share, bit] = [this.#scheduler.random.next(), this.#scheduler.below(8)];
    if (!this.#faults.occurs(kind, key === undefined ? 0 : chance)) return;
    this.#strike(key!, { kind, share, bit });
    this.#scheduler.after(forMs, () => this.#repair(key!));
  }

  /** Puts right what is still there as it was damaged. */
  repairAll(): void {
    for (const key of this.#damaged.keys()) this.#repair(key);
  }

  /** All objects with the bytes that were stored. */
  copy(): Map<string, Object> {
    const copy = new Map(this.#objects);
    for (const [key, { right, wrong }] of this.#damaged) {
      if (copy.get(key) === wrong) copy.set(key, right);
    }
    return copy;
  }

  /** Each kind of object as often as another: there are many slots, and one document of settings. */
  #victim(): string | undefined {
    const kinds = new Map<string, string[]>();
    for (const key of this.#objects.keys()) {
      const folder = key.split("/").slice(0, 2).join("/");
      const keys = kinds.get(folder);
      if (keys === undefined) kinds.set(folder, [key]);
      else keys.push(key);
    }
    if (kinds.size === 0) return undefined;
    return this.#scheduler.pick(this.#scheduler.pick([...kinds.values()]));
  }

  #strike(
    key: string,
    {
      kind,
      share,
      bit,
    }: { readonly kind: FaultKind; readonly share: number; readonly bit: number },
  ): void {
    const here = this.#objects.get(key)!;
    const before = this.#damaged.get(key);
    // What was damaged before may have been replaced since, and is not to come back.
    const right = before?.wrong === here ? before.right : here;
    const at = Math.floor(share * right.bytes.byteLength);
    const bytes = kind === "torn-object" ? right.bytes.slice(0, at) : right.bytes.slice();
    if (kind === "bit-flip") bytes[at]! ^= 1 << bit;
    const wrong = { ...right, bytes };
    this.#scheduler.note(`${kind} in ${key} at ${at}`);
    this.#damaged.set(key, { right, wrong });
    this.#objects.set(key, wrong);
  }

  #repair(key: string): void {
    const damaged = this.#damaged.get(key);
    this.#damaged.delete(key);
    // Not where it was replaced or deleted meanwhile.
    if (damaged === undefined || this.#objects.get(key) !== damaged.wrong) return;
    this.#scheduler.note(`${key} is right again`);
    this.#objects.set(key, damaged.right);
  }
}
