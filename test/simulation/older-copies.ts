import { History } from "./history.ts";
import type { Held } from "./virtual-store.ts";
import type { Pinned, World } from "./world.ts";

/** Everything that was in the bucket at one moment, and how much had happened by then. */
interface Copy {
  readonly objects: ReadonlyMap<string, Held>;
  readonly events: number;
  readonly checkpoints: ReadonlyMap<string, Pinned>;
}

/** Something that took effect in the bucket; without bytes a delete. */
export interface Effect {
  readonly key: string;
  readonly bytes: Uint8Array<ArrayBuffer> | undefined;
  readonly atMs: number;
}

/**
 * Takes a copy of the bucket, and puts it back later: all processes end, nothing of theirs is under
 * way any more, and whoever begins then begins where the copy was taken. What was stored since is
 * forgotten by the judge, and has to be forgotten by everybody.
 */
export class OlderCopies {
  readonly #world: World;
  readonly #rate: number;
  readonly #endAll: () => void;
  readonly #effects: Effect[] = [];
  #copy: Copy | undefined;
  #isDue = false;

  /** `rate`: chance that the copy is put back after an act. `endAll` kills every process. */
  constructor(world: World, options: { readonly rate: number; readonly endAll: () => void }) {
    this.#world = world;
    this.#rate = options.rate;
    this.#endAll = options.endAll;
  }

  /** To be called with everything that takes effect. */
  happened(key: string, bytes: Uint8Array<ArrayBuffer> | undefined): void {
    if (this.#rate > 0) this.#effects.push({ key, bytes, atMs: this.#world.scheduler.nowMs });
  }

  /** To be called after an act of anybody. */
  mayReturn(): void {
    const { scheduler, faults } = this.#world;
    if (this.#rate === 0 || this.#isDue) return;
    if (scheduler.chance(0.1)) this.#copy ??= this.#take();
    if (!faults.occurs("restored-copy", this.#copy === undefined ? 0 : this.#rate)) return;
    // As an event of its own: what has just been answered is heard first.
    this.#isDue = true;
    scheduler.after(0, () => this.#putBack());
  }

  #take(): Copy {
    const { bucket, checkpoints, scheduler } = this.#world;
    scheduler.note("a copy is taken");
    const pinned = [...checkpoints].map(([name, one]) => [name, { ...one }] as const);
    return {
      objects: bucket.copy(),
      events: this.#effects.length,
      checkpoints: new Map(pinned),
    };
  }

  #putBack(): void {
    const world = this.#world;
    const { objects, events, checkpoints } = this.#copy!;
    this.#copy = undefined;
    this.#isDue = false;
    world.scheduler.note("the copy is put back");
    this.#endAll();
    world.bucket.putBack(objects);
    this.#effects.length = events;
    const history = History.ofCopy(
      world.history,
      this.#effects.flatMap(({ key, bytes }) => (bytes === undefined ? [] : [{ key, bytes }])),
    );
    world.startOver({ history, checkpoints, effects: this.#effects });
  }
}
