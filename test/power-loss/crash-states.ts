import { randomInteger, type Random } from "../../src/base/random.ts";
import { overwritten, type Change, type Inode } from "./disk.ts";

/*
 * What a power loss may leave of a disk, after any prefix of its changes.
 *
 * The model is the weakest one that POSIX allows and file systems in use show (Pillai et al.,
 * "All File Systems Are Not Created Equal", OSDI 2014, section 3 and table 1), weaker than ext4
 * with data=ordered, whose states are among these:
 *
 *   - What fsync of a file has covered is there: its bytes, size and time; not its name.
 *   - What fsync of a folder has covered is there: its entries; not the folder's own name.
 *   - Of entries that changed since, each name is as it was after any of its changes, whatever the
 *     others are. A rename is two of them, and may leave both names, or none.
 *   - Of a file's writes since, all are there, or none, or the first bytes, or its size and zeros,
 *     or any sectors of them among zeros or among what another file has left; and so is its time.
 */

/** The least that a disk writes as a whole. */
const SECTOR_BYTES = 512;

/** How bytes that were not synced are found: see `torn`. */
const TEARS = [
  "all",
  "none",
  "zeros",
  "sectors",
  "strange sectors",
  "cut",
  "cut to a sector",
] as const;

/** A name whose last changes are not durable. */
interface OpenName {
  readonly folder: Inode;
  readonly name: string;
  /** What it led to after each of them, oldest first; `undefined`: it was gone. */
  values: { readonly inode: Inode | undefined; readonly position: number }[];
}

/** A file whose last writes are not durable. */
interface OpenFile {
  writes: {
    readonly change: Change & { readonly kind: "write" | "times" };
    readonly position: number;
    isDropped: boolean;
  }[];
}

/** The folder of temporary files of a store. */
const TEMPORARY = ".tmp";

interface Content {
  readonly bytes: Uint8Array;
  readonly mtimeNs: bigint;
}

/** One state that a power loss may leave. */
export interface CrashState {
  readonly root: Inode;
  /** The same for two states that differ in nothing but the temporary files. */
  readonly signature: string;
}

/** The states after one prefix. */
export interface CrashStates {
  /** How many there are, those that differ in temporary files only counted once. */
  readonly possible: number;
  readonly states: Iterable<CrashState>;
}

/** Takes the changes of a disk one by one, and tells what a power loss after each may leave. */
export class CrashModel {
  readonly #root: Inode;
  readonly #durable = new Map<number, Map<string, Inode>>();
  readonly #names = new Map<string, OpenName>();
  readonly #contents = new Map<number, Content>();
  readonly #files = new Map<number, OpenFile>();
  /** Folders of temporary files, which mean nothing to anybody. */
  readonly #temporary = new Set<number>();
  #position = 0;

  /** All of what is below `root` is durable. */
  constructor(root: Inode) {
    this.#root = root;
    this.#settle(root);
  }

  #settle(inode: Inode): void {
    if (this.#durable.has(inode.id) || this.#contents.has(inode.id)) return;
    if (!inode.isFolder) {
      this.#contents.set(inode.id, { bytes: inode.bytes, mtimeNs: inode.mtimeNs });
      return;
    }
    this.#durable.set(inode.id, new Map(inode.entries));
    for (const [name, below] of inode.entries) {
      if (name === TEMPORARY && below.isFolder) this.#temporary.add(below.id);
      this.#settle(below);
    }
  }

  /** How many changes there were. */
  get position(): number {
    return this.#position;
  }

  take(change: Change): void {
    const position = this.#position++;
    switch (change.kind) {
      case "entry":
        this.#enter(change, position);
        return;
      case "write":
      case "times": {
        const open = this.#files.get(change.inode.id) ?? { writes: [] };
        open.writes.push({ change, position, isDropped: false });
        this.#files.set(change.inode.id, open);
        return;
      }
      case "sync":
        if (change.inode.isFolder) this.#syncFolder(change.inode, change.begin);
        else this.#syncFile(change.inode, change.begin);
        return;
      case "dropped":
        for (const write of this.#files.get(change.inode.id)?.writes ?? []) {
          if (write.position < change.begin) write.isDropped = true;
        }
    }
  }

  /** All of them, or where there are more than `statesMax` as many, drawn by `random`. */
  states(statesMax: number, random: Random): CrashStates {
    const names = [...this.#names.values()].filter(({ folder }) => !this.#temporary.has(folder.id));
    const choices = names.reduce((product, { values }) => product * (values.length + 1), 1);
    const torn = new Set(
      names
        .flatMap(({ values }) => values.map(({ inode }) => inode?.id))
        .filter((id) => id !== undefined && this.#files.has(id)),
    ).size;
    const possible = choices * TEARS.length ** torn;
    return { possible, states: this.#draw(names, { choices, possible, statesMax, random }) };
  }

  *#draw(
    names: readonly OpenName[],
    limits: {
      readonly choices: number;
      readonly possible: number;
      readonly statesMax: number;
      readonly random: Random;
    },
  ): Generator<CrashState> {
    const { choices, possible, statesMax, random } = limits;
    const count = Math.min(possible, statesMax);
    for (let i = 0; i < count; i++) {
      // Each combination of names as often as there is room for the bytes under them.
      const number = choices <= statesMax ? i % choices : undefined;
      yield this.#build(this.#chosen(names, number, random), random);
    }
  }

  /** The combination with this number; without one, one by chance: of any order, or of a journal. */
  #chosen(
    names: readonly OpenName[],
    number: number | undefined,
    random: Random,
  ): Map<string, Inode | undefined> {
    const chosen = new Map<string, Inode | undefined>();
    const journalEnd = random.next() < 0.5 ? randomInteger(random, this.#position + 1) : undefined;
    let rest = number ?? 0;
    for (const one of names) {
      const { folder, name, values } = one;
      let kept: number;
      if (number !== undefined) {
        kept = rest % (values.length + 1);
        rest = Math.floor(rest / (values.length + 1));
      } else if (journalEnd === undefined) kept = randomInteger(random, values.length + 1);
      else kept = values.filter(({ position }) => position < journalEnd).length;
      if (kept > 0) chosen.set(keyOf(folder, name), values[kept - 1]!.inode);
    }
    for (const { folder, name, values } of this.#names.values()) {
      if (!this.#temporary.has(folder.id)) continue;
      const kept = randomInteger(random, values.length + 1);
      if (kept > 0) chosen.set(keyOf(folder, name), values[kept - 1]!.inode);
    }
    return chosen;
  }

  #build(chosen: ReadonlyMap<string, Inode | undefined>, random: Random): CrashState {
    const copies = new Map<number, Inode>();
    const overlays = new Map<number, [string, Inode | undefined][]>();
    for (const [key, inode] of chosen) {
      const cut = key.indexOf("/");
      const id = Number(key.slice(0, cut));
      overlays.set(id, [...(overlays.get(id) ?? []), [key.slice(cut + 1), inode]]);
    }
    let signature = "";
    const tears = new Map<number, string>();
    const copy = (inode: Inode, isTemporary: boolean): Inode => {
      let made = copies.get(inode.id);
      if (made === undefined) {
        const tear = this.#files.has(inode.id)
          ? TEARS[randomInteger(random, TEARS.length)]!
          : "all";
        const content = this.#content(inode, tear, random);
        tears.set(inode.id, tear === "all" ? "" : `${tear} ${random.next()}`);
        made = { ...inode, ...content, entries: new Map(), names: 0, opened: 0 };
        copies.set(inode.id, made);
      }
      if (!isTemporary) signature += `${inode.id}${tears.get(inode.id)}(`;
      const entries = new Map(this.#durable.get(inode.id));
      for (const [name, value] of overlays.get(inode.id) ?? []) {
        if (value === undefined) entries.delete(name);
        else entries.set(name, value);
      }
      const isTemporaryFolder = this.#temporary.has(inode.id);
      for (const [name, value] of [...entries].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
        if (!isTemporaryFolder) signature += `${name}=`;
        const below = copy(value, isTemporaryFolder);
        below.names++;
        made.entries.set(name, below);
      }
      if (!isTemporary) signature += ")";
      return made;
    };
    return { root: copy(this.#root, false), signature };
  }

  #enter(change: Change & { readonly kind: "entry" }, position: number): void {
    const { folder, name, inode } = change;
    if (name === TEMPORARY && inode?.isFolder === true) this.#temporary.add(inode.id);
    const key = keyOf(folder, name);
    const open = this.#names.get(key) ?? { folder, name, values: [] };
    open.values.push({ inode, position });
    this.#names.set(key, open);
  }

  #syncFolder(folder: Inode, begin: number): void {
    const entries = this.#durable.get(folder.id) ?? new Map<string, Inode>();
    this.#durable.set(folder.id, entries);
    for (const [key, open] of this.#names) {
      if (open.folder !== folder) continue;
      const last = open.values.findLast(({ position }) => position < begin);
      if (last === undefined) continue;
      if (last.inode === undefined) entries.delete(open.name);
      else entries.set(open.name, last.inode);
      open.values = open.values.filter(({ position }) => position >= begin);
      if (open.values.length === 0) this.#names.delete(key);
    }
  }

  #syncFile(inode: Inode, begin: number): void {
    const open = this.#files.get(inode.id);
    if (open === undefined) return;
    const isCovered = (write: OpenFile["writes"][number]): boolean =>
      write.position < begin && !write.isDropped;
    const covered = open.writes.filter(isCovered).map(({ change }) => change);
    this.#contents.set(inode.id, applied(this.#durableContent(inode), covered));
    open.writes = open.writes.filter((write) => !isCovered(write));
    if (open.writes.length === 0) this.#files.delete(inode.id);
  }

  #durableContent(inode: Inode): Content {
    return this.#contents.get(inode.id) ?? { bytes: new Uint8Array(), mtimeNs: inode.createdNs };
  }

  #content(inode: Inode, tear: (typeof TEARS)[number], random: Random): Content {
    const durable = this.#durableContent(inode);
    const writes = this.#files.get(inode.id)?.writes ?? [];
    if (writes.length === 0 || tear === "none") return durable;
    const whole = applied(
      durable,
      writes.map(({ change }) => change),
    );
    return { ...whole, bytes: torn(durable.bytes, whole.bytes, tear, random) };
  }
}

function keyOf(folder: Inode, name: string): string {
  return `${folder.id}/${name}`;
}

function applied(
  content: Content,
  changes: readonly (Change & { readonly kind: "write" | "times" })[],
): Content {
  let { bytes, mtimeNs } = content;
  for (const change of changes) {
    if (change.kind === "times") mtimeNs = change.mtimeNs;
    else bytes = overwritten(bytes, change.position, change.bytes);
  }
  return { bytes, mtimeNs };
}

/** What is found of `after`, when only `before` was synced. */
function torn(
  before: Uint8Array,
  after: Uint8Array,
  tear: (typeof TEARS)[number],
  random: Random,
): Uint8Array {
  const { byteLength } = after;
  if (tear === "all") return after;
  if (tear === "none") return before;
  if (tear === "cut") return after.slice(0, randomInteger(random, byteLength + 1));
  if (tear === "cut to a sector") {
    const sectors = randomInteger(random, Math.ceil(byteLength / SECTOR_BYTES) + 1);
    return after.slice(0, sectors * SECTOR_BYTES);
  }
  const found = overwritten(new Uint8Array(byteLength), 0, before.subarray(0, byteLength));
  if (tear === "zeros") return found;
  for (let at = 0; at < byteLength; at += SECTOR_BYTES) {
    if (random.next() < 0.5) found.set(after.subarray(at, at + SECTOR_BYTES), at);
    else if (tear === "strange sectors") {
      found.fill(randomInteger(random, 256), Math.max(at, before.byteLength), at + SECTOR_BYTES);
    }
  }
  return found;
}
