import { decodeSlot } from "../../src/format/slot.ts";
import { CallLog } from "./call-log.ts";
import { Knowledge, LaneOrder } from "./knowledge.ts";
import { JUDGES, type Judge } from "./oracle.ts";

/** One operation as it was asked for, and the version it got. */
export interface Happened {
  readonly kind: "put" | "patch" | "delete";
  readonly id: string;
  readonly version: string;
  /** Unique to the call that asked for it; deletes have none. */
  readonly token: string | undefined;
  readonly vector: readonly number[] | undefined;
  readonly content: string | undefined;
  readonly metadata: string | undefined;
  /** What its author had read, as it was stored. */
  readonly seen: readonly string[];
}

/** A record as a reader saw it. */
export interface Seen {
  readonly version: string;
  readonly vector: readonly number[] | undefined;
  readonly content: string;
  readonly metadata: string;
  /** Versions of all siblings, where a read tells. */
  readonly siblings?: readonly string[] | undefined;
}

/** Everything that a read of one moment has to show. */
export interface Expectation {
  /** Nothing acknowledged by then may be missing. */
  readonly required: ReadonlySet<string>;
  /** Stored by then; whether it counts may be open. */
  readonly storedCount: number;
}

/** Possible histories of one record that are looked through for what all of them have. */
const EXPLANATIONS_MAX = 128;

/** The record of what was asked, stored, acknowledged and seen; and the judge of it. */
export class History {
  readonly #judge: Judge;
  readonly #byId = new Map<string, Happened[]>();
  readonly #byVersion = new Map<string, Happened>();
  readonly #storedAt = new Map<string, number>();
  /** Calls under conditions, and strong reads of their records. */
  readonly calls: CallLog;
  readonly #order = new LaneOrder();
  readonly #required = new Knowledge(this.#order);
  readonly #acknowledgedTokens = new Map<string, string>();
  readonly #seenTokens = new Map<string, string>();
  readonly #decisions = new Map<string, { readonly from: string | undefined }>();
  acknowledgedCount = 0;
  checks = 0;
  /** Operations under conditions that were judged, in all judgements together. */
  decisions = 0;
  /** Records that had too many unknown outcomes at once to be judged. */
  skipped = 0;

  constructor(judge: Judge = JUDGES["last-write-wins"], calls: CallLog = new CallLog()) {
    this.#judge = judge;
    this.calls = calls;
  }

  /**
   * That of a store in which an older copy was put back: of what had happened `before`, what these
   * objects of the log hold. It is there now, so that what was required of it is required again.
   */
  static ofCopy(
    before: History,
    objects: readonly { readonly key: string; readonly bytes: Uint8Array }[],
  ): History {
    const history = new History(before.#judge, new CallLog({ isIncomplete: true }));
    for (const { key, bytes } of objects) history.stored(key, bytes);
    for (const version of before.#required.versions()) {
      const happened = history.#byVersion.get(version);
      if (happened !== undefined) history.acknowledged(version, happened.token);
    }
    for (const [version, decision] of before.#decisions) {
      if (history.isStored(version)) history.#decisions.set(version, decision);
    }
    history.acknowledgedCount = before.acknowledgedCount;
    history.checks = before.checks;
    history.decisions = before.decisions;
    history.skipped = before.skipped;
    return history;
  }

  /** To be called with every object that takes effect in the store. */
  stored(key: string, bytes: Uint8Array): void {
    if (!key.includes("/wal/")) return;
    const slot = decodeSlot(bytes, key);
    this.#order.stored(slot);
    for (const operation of slot.operations) {
      const { version } = operation;
      if (this.#byVersion.has(version)) continue;
      const happened = happenedOf(operation);
      this.#byVersion.set(version, happened);
      this.#storedAt.set(version, this.#storedAt.size);
      const known = this.#byId.get(operation.id) ?? [];
      this.#byId.set(operation.id, [...known, happened].toSorted(byVersion));
    }
  }

  /** The write has resolved: from now on nobody may miss it. */
  acknowledged(version: string, token: string | undefined, nowMs = 0): void {
    this.acknowledgedCount++;
    this.#required.add(version, nowMs);
    if (token === undefined) return;
    this.#acknowledgedTokens.set(token, version);
    const seen = this.#seenTokens.get(token);
    if (seen !== undefined && seen !== version) {
      throw new Error(`${token} was seen with version ${seen} and acknowledged with ${version}`);
    }
  }

  /** An acknowledged operation was made from this version, or from no record. */
  decided(version: string, from: string | undefined): void {
    this.#decisions.set(version, { from });
  }

  isStored(version: string): boolean {
    return this.#byVersion.has(version);
  }

  /** What a read that begins now has to show; of what was acknowledged up to `atMs`. */
  expectation(atMs?: number): ReadonlySet<string> {
    return this.#required.versions(atMs);
  }

  /** What one process may not miss; nothing yet. */
  knowledge(): Knowledge {
    return new Knowledge(this.#order);
  }

  get storedCount(): number {
    return this.#storedAt.size;
  }

  /**
   * Throws unless `seen` is a state that the read may have shown. Gives the operations that it has
   * shown for certain: those without which nothing explains it.
   */
  check(
    what: string,
    seen: ReadonlyMap<string, Seen>,
    { required, storedCount }: Expectation,
  ): readonly string[] {
    const shown: string[] = [];
    for (const id of seen.keys()) {
      if (!this.#byId.has(id)) throw new Error(`${what}: shows ${id}, which nobody has written`);
    }
    for (const [id, operations] of this.#byId) {
      this.checks++;
      const sure = operations.filter(({ version }) => required.has(version));
      const open = operations.filter(
        ({ version }) => !required.has(version) && this.#storedAt.get(version)! < storedCount,
      );
      shown.push(...this.#checkRecord(`${what}: ${id}`, seen.get(id), { sure, open }));
    }
    return shown;
  }

  /** What any read has shown, every later strong one shows; `shown` is what `check` gave. */
  witness(
    what: string,
    seen: ReadonlyMap<string, Seen>,
    { shown, nowMs }: { readonly shown: readonly string[]; readonly nowMs: number },
  ): void {
    for (const version of shown) this.#required.add(version, nowMs);
    this.noticed(what, seen);
  }

  /** What anybody has seen of a call is all that becomes of it: it counts under one version. */
  noticed(what: string, seen: ReadonlyMap<string, Seen>): void {
    for (const { version } of seen.values()) {
      const token = this.#byVersion.get(version)?.token;
      if (token === undefined) continue;
      const other = this.#acknowledgedTokens.get(token) ?? this.#seenTokens.get(token);
      if (other !== undefined && other !== version) {
        throw new Error(`${what}: ${token} counts twice, with versions ${other} and ${version}`);
      }
      this.#seenTokens.set(token, version);
    }
  }

  /**
   * Of records that are written under conditions only: throws unless each acknowledged operation
   * was made from the one that counts before it. An `ifAbsent` comes first, or after a delete, which
   * may be one of unknown outcome; an `ifVersion` comes right after the version that it names.
   */
  checkDecisions(ids: readonly string[]): void {
    for (const id of ids) {
      const operations = this.#byId.get(id) ?? [];
      let before: Happened | undefined;
      for (const operation of operations) {
        if (!this.#required.has(operation.version)) continue;
        const decision = this.#decisions.get(operation.version);
        const isFree = (): boolean =>
          before === undefined ||
          operations.some(
            ({ kind, version }) =>
              kind === "delete" && version >= before!.version && version < operation.version,
          );
        const follows =
          decision === undefined ||
          (decision.from === undefined
            ? isFree()
            : decision.from >= (before?.version ?? "") && decision.from < operation.version);
        if (!follows) {
          const name = ({ kind, version }: Happened): string =>
            `${kind} ${version} (of ${this.#decisions.get(version)?.from ?? "nothing"})`;
          throw new Error(`${id}: ${name(operation)} and ${name(before!)} both succeeded`);
        }
        this.decisions++;
        before = operation;
      }
    }
  }

  /** Throws unless the calls on each record that is written under conditions have an order. */
  checkCalls(ids: readonly string[]): void {
    this.calls.check(ids, (token) =>
      [...this.#byVersion.values()].flatMap((one) => (one.token === token ? [one.version] : [])),
    );
  }

  #checkRecord(
    what: string,
    seen: Seen | undefined,
    { sure, open }: { readonly sure: readonly Happened[]; readonly open: readonly Happened[] },
  ): readonly string[] {
    const { fold, relevant: relevantOf, combinations } = this.#judge;
    const relevant = relevantOf(sure, open);
    const shown = seen === undefined ? "nothing" : describe(seen);
    const possible = new Set<string>();
    const { sets, isComplete } = combinations(sure, relevant);
    let always: Set<string> | undefined;
    let count = 0;
    for (const operations of sets) {
      const state = fold(operations.toSorted(byVersion));
      const text = state === undefined ? "nothing" : describe(state);
      possible.add(text);
      if (text === shown) {
        const versions = operations.map(({ version }) => version);
        always = new Set(always === undefined ? versions : versions.filter((v) => always!.has(v)));
      }
      // Too many to look through: only what is there to see is certain.
      if (++count >= EXPLANATIONS_MAX && always !== undefined) return visibleOf(seen);
    }
    if (always !== undefined) return isComplete ? [...always] : visibleOf(seen);
    if (!isComplete) {
      this.skipped++;
      return visibleOf(seen);
    }
    const list = (operations: readonly Happened[]): string =>
      operations
        .map((o) => `    ${o.version} ${o.kind} ${o.metadata ?? ""} ${o.content ?? ""}`)
        .join("\n");
    throw new Error(
      `${what}\n  shows ${shown}\n  may show ${[...possible].slice(0, 20).join("\n    or ")}\n` +
        `  acknowledged\n${list(sure.slice(-8))}\n  unknown\n${list(relevant)}`,
    );
  }
}

function visibleOf(seen: Seen | undefined): readonly string[] {
  return seen === undefined ? [] : [seen.version];
}

/** The same text for the same record. */
export function describe({ version, vector, content, metadata, siblings = [] }: Seen): string {
  const entries = Object.entries(JSON.parse(metadata) as Record<string, unknown>);
  const sorted = entries.toSorted(([a], [b]) => (a < b ? -1 : 1));
  const more = siblings.length > 1 ? ` among ${siblings.join(" ")}` : "";
  return `${version} ${JSON.stringify(sorted)} ${content} [${vector?.join(" ") ?? "none"}]${more}`;
}

function byVersion(a: Happened, b: Happened): number {
  return a.version < b.version ? -1 : 1;
}

/** An operation as slots hold it. */
export function happenedOf(operation: {
  readonly kind: Happened["kind"];
  readonly id: string;
  readonly version: string;
  readonly vector?: Float32Array | undefined;
  readonly content?: string | undefined;
  readonly metadata?: string | undefined;
  readonly seen?: readonly string[] | undefined;
}): Happened {
  const { kind, id, version, content, metadata, vector, seen = [] } = operation;
  return {
    kind,
    id,
    version,
    token: /token-\d+/.exec(`${metadata ?? ""}${content ?? ""}`)?.[0],
    vector: vector && [...vector],
    content,
    metadata,
    seen,
  };
}
