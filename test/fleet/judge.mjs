/*
 * Whether what was read can be explained by what was written. Shares no code with the engine.
 *
 * A record is the fold of its operations in the order of their versions: the newest put or delete,
 * then every patch above it. What was acknowledged has a version and must be in the fold of every
 * read that comes after it; what failed with an open outcome may be in it or not, for ever.
 */

/** Milliseconds of a version: its first twelve digits. */
const millisOf = (version) => Number.parseInt(version.slice(0, 12), 16);

const FIELD_OF = { patch: "note", move: "moved" };

/**
 * @param {object} history
 * @param history.operations See `readHistory`.
 * @param history.reads In the order of their ends.
 * @returns {string[]} What cannot be explained, worst first by time; empty when all can.
 */
export function judge({ operations, reads }) {
  const records = new Map();
  for (const operation of operations) {
    if (!records.has(operation.id)) records.set(operation.id, new RecordHistory(operation.id));
    records.get(operation.id).add(operation);
  }
  const recordOf = (id) => {
    if (!records.has(id)) records.set(id, new RecordHistory(id));
    return records.get(id);
  };
  for (const { seen } of reads) for (const sighting of seen) recordOf(sighting[0]).learn(sighting);
  const problems = [];
  for (const read of reads) {
    const sightings = new Map(read.seen.map((sighting) => [sighting[0], sighting]));
    if (sightings.size !== read.seen.length) problems.push(say(read, "a record twice"));
    const ids =
      read.isWhole === true ? new Set([...records.keys(), ...sightings.keys()]) : sightings.keys();
    for (const id of ids) {
      const problem = recordOf(id).problemOf(sightings.get(id) ?? [id], read);
      if (problem !== undefined) problems.push(say(read, problem));
    }
  }
  for (const record of records.values()) problems.push(...record.problemsOfConditions());
  return problems;
}

function say({ actor, run, what, level, t0 }, problem) {
  return `${actor} (run ${run}), ${level} ${what} at ${(t0 / 1_000).toFixed(3)} s: ${problem}`;
}

class RecordHistory {
  #id;
  /** By kind and value. */
  #operations = new Map();
  /** Puts and deletes. */
  #bases = [];
  #patches = [];
  /** What each run has seen: the greatest version, and when that read had ended. */
  #shown = new Map();

  constructor(id) {
    this.#id = id;
  }

  add(operation) {
    this.#operations.set(`${operation.kind} ${operation.value}`, operation);
    (operation.kind in FIELD_OF ? this.#patches : this.#bases).push(operation);
  }

  /**
   * The version of an operation that nobody was told of, where a record shows it: a record's version
   * is that of the newest operation in it.
   */
  learn(sighting) {
    const version = sighting[1];
    if (version === undefined) return;
    const parts = this.#parts(sighting);
    if (parts.some((part) => part === undefined || part.version === version)) return;
    const unknown = parts.filter((part) => part.version === undefined);
    if (unknown.length === 1) unknown[0].version = version;
  }

  /** What a record that was read is made of; `undefined` for what nobody ever wrote. */
  #parts([, , value, note, moved]) {
    const parts = [this.#operations.get(`put ${value}`)];
    if (note !== null) parts.push(this.#operations.get(`patch ${note}`));
    if (moved !== null) parts.push(this.#operations.get(`move ${moved}`));
    return parts;
  }

  /** Of operations with one condition only one may have been done, unless that was undone between. */
  problemsOfConditions() {
    const all = [...this.#bases, ...this.#patches];
    const winners = all
      .filter(({ was, version }) => was !== undefined && version !== undefined)
      .toSorted((a, b) => (a.version < b.version ? -1 : 1));
    const problems = [];
    for (const [i, winner] of winners.entries()) {
      const [, ofVersion] = winner.was;
      const before = winners.slice(0, i).findLast(({ was }) => was[1] === ofVersion);
      if (before === undefined) continue;
      if (ofVersion === undefined && this.#isDeletedBetween(before, winner)) continue;
      const what = ofVersion === undefined ? "absent" : `version ${ofVersion}`;
      problems.push(
        `${this.#id}: two winners of ${what}: ${describe(before)} and ${describe(winner)}`,
      );
    }
    return problems;
  }

  #isDeletedBetween(put, next) {
    return this.#bases.some(
      (one) =>
        one.kind === "delete" &&
        !isCertainlyBefore(one, put.version) &&
        (one.version === undefined || one.version < next.version),
    );
  }

  /** Why this sighting cannot be, or `undefined`. */
  problemOf(sighting, read) {
    const must = (operation) => isKnownTo(operation, read);
    const problem =
      sighting.length === 1
        ? this.#problemOfAbsence(must, read)
        : this.#problemOfRecord(sighting, must, read);
    if (problem === undefined) {
      if (sighting.length > 1) this.#show(read, sighting[1]);
      return undefined;
    }
    const shown = sighting.length === 1 ? "absent" : JSON.stringify(sighting.slice(1));
    return `${this.#id} is ${shown}, ${problem}`;
  }

  #problemOfRecord(sighting, must, read) {
    const [, version, , , , flaw] = sighting;
    if (flaw !== undefined) return `damaged: ${flaw}`;
    const parts = this.#parts(sighting);
    if (parts.includes(undefined)) return "invented: nobody wrote that";
    const off = parts.find(({ isOff }) => isOff);
    if (off !== undefined) return `invented: the clock of ${off.name} is too far off to write`;
    const early = parts.find(({ startMs }) => startMs > read.t1);
    if (early !== undefined) return `invented: ${early.name} had not begun`;
    const [base, ...patches] = parts;
    const known = parts.every((part) => part.version !== undefined);
    if (known && !parts.some((part) => part.version === version)) {
      return `doubled: ${parts.map(describe).join(", ")}`;
    }
    const newest = parts.find((part) => part.version !== undefined && part.version > version);
    if (newest !== undefined) return `wrong: it has a part that is newer, ${describe(newest)}`;
    // A put whose outcome is open, under patches, has some version below that of the record.
    const baseVersion = base.version ?? version;
    const above = this.#bases.find((one) => must(one) && one.version > baseVersion);
    if (above !== undefined) {
      return above.kind === "delete"
        ? `resurrected: ${describe(above)} was acknowledged`
        : `lost: ${describe(above)} was acknowledged`;
    }
    return this.#problemOfPatches({ base, patches, must }) ?? this.#problemOfPast(version, read);
  }

  #problemOfPatches({ base, patches, must }) {
    if (base.version === undefined) return undefined;
    const under = patches.find((one) => one.version !== undefined && one.version < base.version);
    if (under !== undefined) return `wrong: ${describe(under)} is older than its put`;
    for (const patch of this.#patches) {
      if (!must(patch) || patch.version < base.version) continue;
      const shown = patches.find(({ kind }) => kind === patch.kind);
      if (shown === undefined || isCertainlyBefore(shown, patch.version)) {
        return `lost: ${describe(patch)} was acknowledged`;
      }
    }
    return undefined;
  }

  #problemOfAbsence(must, read) {
    let newest;
    for (const one of this.#bases) {
      if (one.kind === "put" && must(one) && !(one.version < newest?.version)) newest = one;
    }
    const { version: shown } = this.#shownTo(read) ?? {};
    const least = newest?.version ?? shown;
    if (least === undefined) return undefined;
    const isDeleted = (version) =>
      this.#bases.some(
        (one) =>
          one.kind === "delete" &&
          !one.isOff &&
          one.startMs <= read.t1 &&
          !isCertainlyBefore(one, version),
      );
    if (newest !== undefined && !isDeleted(newest.version)) {
      return `lost: ${describe(newest)} was acknowledged`;
    }
    // A patch goes with the put that it is over: a delete between the two may arrive after both.
    if (shown !== undefined && !isDeleted(this.#putUnder(shown))) {
      return `gone back: this process had shown version ${shown}`;
    }
    return undefined;
  }

  /** The version of the newest known put that what was shown can rest on. */
  #putUnder(shown) {
    let under;
    for (const { kind, version } of this.#bases) {
      const isUnder = kind === "put" && version !== undefined && version <= shown;
      if (isUnder && (under === undefined || version > under)) under = version;
    }
    return under ?? shown;
  }

  #problemOfPast(version, read) {
    const { version: shown } = this.#shownTo(read) ?? {};
    if (shown === undefined || version >= shown) return undefined;
    return `gone back: this process had shown version ${shown}`;
  }

  /** The greatest version that reads of this run had shown before this read began. */
  #shownTo({ run, t0 }) {
    return this.#shown.get(run)?.findLast(({ endMs }) => endMs < t0);
  }

  #show({ run, t1 }, version) {
    const list = this.#shown.get(run) ?? [];
    const greatest = list.at(-1)?.version;
    const grown = greatest === undefined || version > greatest ? version : greatest;
    list.push({ endMs: t1, version: grown });
    this.#shown.set(run, list);
  }
}

/** Whether a read has to know of an operation: of those it wrote itself, and of all that its level covers. */
function isKnownTo({ run, ackedMs }, read) {
  if (ackedMs === undefined) return false;
  if (run === read.run && ackedMs < read.t0) return true;
  if (read.level === "strong") return ackedMs < read.t0;
  return read.level === "bounded" && ackedMs < read.t0 - read.maxMs;
}

function isCertainlyBefore(operation, version) {
  return operation.version === undefined
    ? operation.stampMsMax < millisOf(version)
    : operation.version < version;
}

function describe({ name, kind, value, version, ackedMs }) {
  const when = ackedMs === undefined ? "never acknowledged" : `${(ackedMs / 1_000).toFixed(3)} s`;
  return `${kind} ${value} of ${name} (${version ?? "no version"}, ${when})`;
}
