import type { Database } from "../../src/engine/database.ts";
import type { Freshness } from "../../src/engine/freshness.ts";
import type { Knowledge } from "./knowledge.ts";
import { CONDITIONAL_IDS, IDS, everything } from "./observe.ts";
import { MINUTE } from "./plan.ts";
import type { VirtualProcess } from "./virtual-process.ts";
import type { World } from "./world.ts";

/** The reads of one process run, and what it may not miss after them. */
export class Reader {
  readonly #world: World;
  readonly #process: VirtualProcess;
  readonly #known: Knowledge;
  readonly #skewMs: number;

  constructor(world: World, process: VirtualProcess) {
    this.#world = world;
    this.#process = process;
    this.#known = world.history.knowledge();
    this.#skewMs = process.skewMs;
  }

  /** A write of this process was acknowledged. */
  learn(version: string): void {
    this.#known.add(version, this.#world.scheduler.nowMs);
  }

  /** The greatest version that this process has seen or written; `""` before there is one. */
  get newest(): string {
    let newest = "";
    for (const version of this.#known.versions()) if (version > newest) newest = version;
    return newest;
  }

  /** How fresh a read is to be: a seed's choice. */
  chooseFreshness(): Freshness {
    const { scheduler } = this.#world;
    const level = scheduler.pick(["strong", "strong", "strong", "eventual", "bounded"] as const);
    if (level !== "bounded") return { level };
    const maxStalenessMs = scheduler.pick([0, 1_000, 30_000, 10 * MINUTE]);
    return { level, maxStalenessMs };
  }

  /**
   * Reads everything in every way there is. It has to show what this process knows, and what was
   * acknowledged long enough before.
   */
  async read(database: Database, freshness: Freshness): Promise<void> {
    const { history, scheduler } = this.#world;
    const required = this.#requiredNow(freshness);
    const begun = history.calls.now();
    // Of a process without an index too: these are all the ids there are.
    const seen = await database.readIds(freshness, IDS, (view) => everything(view, this.#process));
    const what = `${freshness.level} read of ${this.#process.name}`;
    scheduler.note(`${this.#process.name} ? ${freshness.level}: ${[...seen.keys()].join(" ")}`);
    const { storedCount } = history;
    const shown = history.check(what, seen, { required, storedCount });
    if (freshness.level === "strong") {
      for (const id of CONDITIONAL_IDS) history.calls.read(id, begun, seen.get(id)?.version);
    }
    for (const version of [...shown, ...required]) this.learn(version);
    history.witness(what, seen, { shown, nowMs: scheduler.nowMs });
  }

  /** As of now: what comes while it reads is no duty of this read. */
  #requiredNow(freshness: Freshness): ReadonlySet<string> {
    const { history, scheduler } = this.#world;
    const required = this.#known.versions();
    if (freshness.level === "eventual") return required;
    // Neither of the two clocks by which it knows its age has gone on: nothing can be asked of it.
    const isLost = this.#process.suspends && this.#process.skewMs !== this.#skewMs;
    if (freshness.level === "bounded" && isLost) return required;
    const ageMs = freshness.level === "bounded" ? freshness.maxStalenessMs : 0;
    const before = history.expectation(scheduler.nowMs - ageMs);
    return new Set([...required, ...before]);
  }
}
