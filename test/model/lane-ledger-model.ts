/*
 * What a manifest says of lanes, in the models: the rules of src/engine/lane-ledger.ts over slots
 * that are numbers.
 */

/** Kinds below `OPEN` are the numbers of operations. */
export const OPEN = 4;
export const SEAL = 5;
/** Made by the lane's own writer, on closing. */
export const OWN_SEAL = 6;

/** Slots that a lane may have. */
export const SLOTS = 5;

const VERSIONS = 32;
const AGE_MAX = 2;

/** Of one lane, by number; 0 where there is none. */
export type Slots = readonly number[];

/** Age in half days, version and kind in one number. Never 0. */
export function slotOf(kind: number, version: number, age = 0): number {
  return (age * VERSIONS + version) * 8 + kind;
}

export function kindOf(slot: number): number {
  return slot & 7;
}

export function versionOf(slot: number): number {
  return (slot >> 3) % VERSIONS;
}

/** Half a day later; only of seals it matters how old they are. */
export function ageSlot(slot: number): number {
  return kindOf(slot) !== SEAL || slot >= slotOf(0, 0, AGE_MAX) ? slot : slot + slotOf(0, 0, 1);
}

/** The slot after the last of the unbroken run that begins at `from`. */
export function unbroken(slots: Slots, from: number): number {
  let end = from;
  while (end < slots.length && slots[end] !== 0) end++;
  return end;
}

/** How far a manifest covers a lane. */
export interface Entry {
  readonly cursor: number;
  readonly lastVersion: number;
  /** The slot of the seal, -1 for none. */
  readonly seal: number;
  readonly isOwnSeal: boolean;
}

/** What a manifest holds. */
export interface Ledger {
  readonly floor: number;
  readonly maxVersion: number;
  /** By lane; `undefined`: not listed. */
  readonly entries: readonly (Entry | undefined)[];
  /** Copies of operations in segments: bit `operation * lanes + lane`. */
  readonly covered: number;
}

/** What is left out of the rules. */
export interface LedgerRules {
  readonly retiresEarly: boolean;
  readonly readsJunk: boolean;
}

/** A lane that the manifest does not know and that does not begin with slot 0 was retired. */
export function isJunk(slots: Slots, { readsJunk }: LedgerRules): boolean {
  return !readsJunk && slots[0] === 0;
}

/** A listing, made after the ledger was read, and what is in the store when a flush reads it. */
export interface LedgerInput {
  readonly ledger: Ledger;
  readonly listed: readonly Slots[];
  readonly present: readonly Slots[];
}

/** The next manifest's: the same where nothing changes, `undefined` when a slot is gone. */
export function ledgerAfter(input: LedgerInput, rules: LedgerRules): Ledger | undefined {
  const { ledger, listed, present } = input;
  let { maxVersion, covered } = ledger;
  const lanes = listed.length;
  let isChanged = false;
  const entries: (Entry | undefined)[] = [];
  for (const [lane, before] of ledger.entries.entries()) {
    const slots = listed[lane]!;
    const isSkipped = before === undefined ? isJunk(slots, rules) : isFinished(before);
    const from = before === undefined ? firstOf(slots, rules) : before.cursor + 1;
    const end = isSkipped ? from : unbroken(slots, from);
    entries.push(before);
    if (end === from) continue;
    let entry = before ?? { cursor: -1, lastVersion: 0, seal: -1, isOwnSeal: false };
    for (let number = from; number < end && entry.seal < 0; number++) {
      const slot = slots[number]!;
      if (present[lane]![number] === 0) return undefined;
      const [kind, version] = [kindOf(slot), versionOf(slot)];
      if (kind < OPEN && version > ledger.floor) covered |= 1 << (kind * lanes + lane);
      maxVersion = Math.max(maxVersion, version);
      const isSeal = kind === SEAL || kind === OWN_SEAL;
      entry = {
        cursor: number,
        lastVersion: version,
        seal: isSeal ? number : -1,
        isOwnSeal: kind === OWN_SEAL,
      };
    }
    isChanged = true;
    entries[lane] = entry;
  }
  const floor = nextFloor(ledger, entries, listed, rules);
  for (const [lane, entry] of entries.entries()) {
    if (entry === undefined || !isRetirable(entry, floor, listed[lane]!, rules)) continue;
    entries[lane] = undefined;
    isChanged = true;
  }
  if (!isChanged && floor === ledger.floor) return ledger;
  return { floor, maxVersion, entries, covered };
}

function firstOf(slots: Slots, { readsJunk }: LedgerRules): number {
  const first = slots.findIndex((slot) => slot !== 0);
  return readsJunk && first > 0 ? first : 0;
}

function isFinished({ cursor, seal }: Entry): boolean {
  return seal >= 0 && cursor >= seal;
}

function nextFloor(
  { floor: before, maxVersion }: Ledger,
  entries: readonly (Entry | undefined)[],
  listed: readonly Slots[],
  rules: LedgerRules,
): number {
  let floor = maxVersion;
  for (const [lane, entry] of entries.entries()) {
    const isShown = listed[lane]!.some((slot) => slot !== 0);
    if (entry === undefined && isShown && !isJunk(listed[lane]!, rules)) return before;
    if (entry !== undefined && !isFinished(entry)) floor = Math.min(floor, entry.lastVersion);
  }
  return Math.max(floor, before);
}

function isRetirable(
  entry: Entry,
  floor: number,
  listed: Slots,
  { retiresEarly }: LedgerRules,
): boolean {
  if (!isFinished(entry) || (floor < entry.lastVersion && !retiresEarly)) return false;
  return listed.every((slot, number) => slot === 0 || (number === entry.seal && !entry.isOwnSeal));
}
