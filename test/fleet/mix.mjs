/*
 * The mix of operations that one process keeps up. All processes work on the same records, so that
 * they meet; every value that is written is written once in a campaign, so that it can be told
 * where a record that was read comes from.
 */
import { vectorOf } from "../support/crash-model.mjs";
import { monotonicMs, sightingOf } from "./journal.mjs";

/** Records that all write to. */
export const IDS = 120;

/** The name of record `i`: names are in the order of their numbers. */
export const idOf = (i) => `r${String(i).padStart(3, "0")}`;

const WRITES = ["put", "put", "put", "putMany", "patch", "patch", "move", "delete", "deleteMany"];
/** Done only if a record is absent, or has the version that was read. */
const CONDITIONAL_WRITES = ["create", "create", "patchIf", "patchIf", "deleteIf"];
const READS = ["get", "getMany", "getMany", "search", "list", "list"];
/** What a writer without an index can be asked. */
const INDEXLESS_READS = ["get", "getMany"];
const LEVELS = ["eventual", "eventual", "bounded", "strong"];

export class Mix {
  #options;
  #count = 0;
  #isStopped = false;
  #loops = [];
  #below;
  #lastValue = 0;
  /** Calls that succeeded so far. */
  progress = { writes: 0, reads: 0 };

  constructor(options) {
    this.#options = options;
    this.#below = (end) => Math.floor(options.random.next() * end);
  }

  start() {
    const { writes = 0, reads = 0, paceMs = 150, compactsEveryMs } = this.#options.settings;
    for (let i = 0; i < writes; i++) {
      this.#loops.push(this.#loop(paceMs, () => this.#writeOne()));
    }
    for (let i = 0; i < reads; i++) this.#loops.push(this.#loop(paceMs, () => this.#readOne()));
    if (compactsEveryMs !== undefined) {
      this.#loops.push(this.#loop(compactsEveryMs, () => this.#compact()));
    }
  }

  /** Resolves when nothing is on its way any more. */
  async stop() {
    this.#isStopped = true;
    await Promise.all(this.#loops);
  }

  async #loop(paceMs, step) {
    while (!this.#isStopped) {
      const waitMs = paceMs * (0.3 + 1.4 * this.#options.random.next());
      for (let left = waitMs; left > 0 && !this.#isStopped; left -= 200) {
        await new Promise((resolve) => setTimeout(resolve, Math.min(left, 200)));
      }
      if (!this.#isStopped) await step();
    }
  }

  #pick(values) {
    return values[this.#below(values.length)];
  }

  #someIds(count) {
    const ids = new Set();
    while (ids.size < count) ids.add(idOf(this.#below(IDS)));
    return [...ids];
  }

  async #writeOne() {
    const { brain } = this.#options;
    // Many first, so that there is something to change.
    const isConditional = this.#below(4) === 0;
    const writes = isConditional ? CONDITIONAL_WRITES : WRITES;
    const op = this.#count === 0 ? "putMany" : this.#pick(writes);
    const [id] = this.#someIds(1);
    if (op === "create") return this.create(id);
    if (isConditional && op !== "putMany") return this.#changeIf(op, id);
    switch (op) {
      case "put":
        return this.#write("put", [id], (value) =>
          brain.add({ content: value }, { value }, { id, vector: vectorOf(value) }),
        );
      case "putMany": {
        const ids = this.#someIds(2 + this.#below(30));
        return this.#write("put", ids, async (value) => {
          const records = ids.map((one, i) => ({
            id: one,
            metadata: { value: value + i },
            data: { content: value + i },
            vector: vectorOf(value + i),
          }));
          const { failed } = await brain.addMany(records);
          if (failed.length > 0) throw failed[0].error;
        });
      }
      case "patch":
        return this.#write("patch", [id], (value) =>
          brain.update(id, { metadata: { note: value } }),
        );
      case "move":
        return this.#write("move", [id], (value) =>
          brain.update(id, {
            data: { content: value },
            vector: vectorOf(value),
            metadata: { moved: value },
          }),
        );
      default: {
        const ids = op === "delete" ? [id] : this.#someIds(1 + this.#below(8));
        return this.#write("delete", ids, () => brain.delete(ids));
      }
    }
  }

  /** Adds a record if there is none. Resolves with whether it did. */
  create(id) {
    return this.#write(
      "put",
      [id],
      (value) =>
        this.#options.brain.add(
          { content: value },
          { value },
          { id, vector: vectorOf(value), ifAbsent: true },
        ),
      { was: [id] },
    );
  }

  /** Reads a record, and changes it if it is still the same. */
  async #changeIf(op, id) {
    const { brain } = this.#options;
    const record = await brain.get(id, { consistency: this.#pick(LEVELS) }).catch(() => undefined);
    if (record === undefined) return;
    const ifVersion = record.version;
    const was = sightingOf(record);
    await (op === "deleteIf"
      ? this.#write("delete", [id], () => brain.delete(id, { ifVersion }), { was })
      : this.#write(
          "patch",
          [id],
          (value) => brain.update(id, { metadata: { note: value } }, { ifVersion }),
          { was },
        ));
  }

  /** `was` is what has to be there, for a write under a condition. */
  async #write(op, ids, write, { was } = {}) {
    const { say, run, versionsOf } = this.#options;
    const n = ++this.#count;
    const v = run * 10_000_000 + n * 100;
    say({ k: "start", n, t: monotonicMs(), op, ids, v, was });
    const { versions, error } = await versionsOf(() => write(v));
    const t = monotonicMs();
    if (error === undefined) {
      this.#lastValue = v;
      this.progress.writes++;
      say({ k: "end", n, t, ok: true, versions });
    } else {
      const message = error.message.slice(0, 300);
      say({ k: "end", n, t, ok: false, versions, code: error.code ?? error.name, message });
    }
    return error === undefined;
  }

  async #compact() {
    const { brain, say } = this.#options;
    await brain.compact().catch((error) => {
      say({ k: "warn", message: `compact: ${error.message.slice(0, 300)}` });
    });
  }

  async #readOne() {
    const { say, settings } = this.#options;
    const what = this.#pick(settings.isIndexless ? INDEXLESS_READS : READS);
    const level = this.#pick(LEVELS);
    const maxMs = level === "bounded" ? 500 + this.#below(3_000) : undefined;
    const options = { consistency: level, ...(maxMs && { maxStalenessMs: maxMs }) };
    const t0 = monotonicMs();
    try {
      const seen = await this.#see(what, options);
      say({ k: "read", what, level, maxMs, t0, t1: monotonicMs(), seen });
      this.progress.reads++;
    } catch (error) {
      say({ k: "failed", what, level, t0, t1: monotonicMs(), code: error.code ?? error.name });
      // What the store does not answer is expected here; anything else is a finding.
      if (error.code !== "BRAINY_UNAVAILABLE") {
        say({ k: "wrong", t: monotonicMs(), message: `${what}: ${error.stack}` });
      }
    }
  }

  /** Records by id, or `[id]` for one that is not there. */
  async #see(what, options) {
    const { brain } = this.#options;
    if (what === "search") {
      const query = vectorOf(this.#lastValue === 0 ? this.#below(1_000) : this.#lastValue);
      const include = ["metadata", "data", "vector"];
      return (await brain.search(query, 3, { ...options, include })).map(sightingOf);
    }
    if (what === "list") {
      const from = this.#below(IDS);
      const limit = 12;
      const { records, cursor } = await brain.list({ ...options, cursor: idOf(from), limit });
      const last = cursor === undefined ? idOf(IDS) : records.at(-1).id;
      const found = new Map(records.map((record) => [record.id, record]));
      const seen = [];
      for (let i = from + 1; idOf(i) <= last && i < IDS; i++) {
        const record = found.get(idOf(i));
        seen.push(record === undefined ? [idOf(i)] : sightingOf(record));
      }
      return seen;
    }
    const ids = this.#someIds(what === "get" ? 1 : 6);
    const records = await brain.getMany(ids, options);
    return records.map((record, i) => (record === undefined ? [ids[i]] : sightingOf(record)));
  }
}
