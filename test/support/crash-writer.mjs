/*
 * Writes until it is killed. It says what it is about to do, does it, and says so again once the
 * promise has resolved, each with a write to the journal that is done when the call returns: what
 * the journal calls acknowledged was acknowledged before the kill.
 *
 * At most one operation is under way on a record, so that what was acknowledged has one order.
 */
import { openSync, writeSync } from "node:fs";
import { systemClock } from "../../dist/base/clock.js";
import { seededRandom } from "../../dist/base/random.js";
import { Brainy } from "../../dist/index.js";
import { DIMENSIONS, vectorOf } from "./crash-model.mjs";

const { folder, journal, run, seed, isEager } = JSON.parse(process.argv[2]);
const IDS = 1_000;
const WRITERS = 16;
const random = seededRandom(seed);
const below = (end) => Math.floor(random.next() * end);
const file = openSync(journal, "a");
const say = (line) => writeSync(file, `${line}\n`);

// Nobody is left to kill this process.
process.on("disconnect", () => process.exit(1));

/** A phase that a kill may wait for. */
const announce = (phase) => process.connected && process.send({ phase });

announce("loaded");
const brain = new Brainy({
  storage: folder,
  dimensions: DIMENSIONS,
  batching: { size: 50 },
  // Due after every slot, or only when this process asks.
  indexing: { batchIndexUpdates: !isEager },
});
brain.on("*", ({ type, payload }) => {
  if (type === "collected") {
    const { segments, slots, manifests } = payload.report;
    say(`collected ${segments} ${slots} ${manifests}`);
  }
  if (type === "sealed") say("sealed 1");
  if (type === "discarded") say("discarded 1");
  announce(type);
});

const present = new Set();
for (let cursor; ;) {
  const page = await brain.list({ limit: 1_000, include: [], ...(cursor && { cursor }) });
  for (const { id } of page.records) present.add(id);
  cursor = page.cursor;
  if (cursor === undefined) break;
}
announce("open");

let count = 0;
const busy = new Set();

/** Takes `wanted` records, or fewer, that nothing is under way on. */
function takeIds(wanted, isFit = () => true) {
  const start = below(IDS);
  const taken = [];
  for (let i = 0; i < IDS && taken.length < wanted; i++) {
    const id = `r${(start + i) % IDS}`;
    if (busy.has(id) || !isFit(id)) continue;
    busy.add(id);
    taken.push(id);
  }
  return taken;
}

async function perform(kind, ids, write) {
  if (ids.length === 0) return;
  const number = `${run}.${++count}`;
  const value = run * 1_000_000 + count * 1_000;
  say(`start ${number} ${kind} ${value} ${ids.join(",")}`);
  try {
    const version = await write(value);
    say(typeof version === "string" ? `ack ${number} ${version}` : `ack ${number}`);
    for (const id of ids) {
      if (kind === "delete") present.delete(id);
      else present.add(id);
    }
    for (const id of ids) busy.delete(id);
  } catch (error) {
    // Its outcome is unknown, so these records are left alone from here on.
    say(`error ${number} ${error.code} ${String(error.message).replaceAll("\n", " ")}`);
  }
}

const content = (value) => ({ data: { content: value }, vector: vectorOf(value) });

const operations = {
  async add() {
    const ids = takeIds(1);
    await perform("put", ids, async (value) => {
      const options = { id: ids[0], vector: vectorOf(value) };
      await brain.add({ content: value }, { value }, options);
    });
  },
  async addMany() {
    const ids = takeIds(20 + below(150));
    await perform("put", ids, async (value) => {
      const records = ids.map((id, i) => ({
        id,
        metadata: { value: value + i },
        ...content(value + i),
      }));
      const { added, failed } = await brain.addMany(records);
      if (added !== ids.length) throw failed[0].error;
    });
  },
  async patch() {
    const ids = takeIds(1, (id) => present.has(id));
    await perform("patch", ids, (value) => brain.update(ids[0], { metadata: { note: value } }));
  },
  async move() {
    const ids = takeIds(1, (id) => present.has(id));
    await perform("move", ids, (value) =>
      brain.update(ids[0], { ...content(value), metadata: { moved: value } }),
    );
  },
  async delete() {
    const ids = takeIds(1 + below(30), (id) => present.has(id));
    await perform("delete", ids, () => brain.delete(ids));
  },
};
const WEIGHTED = ["add", "add", "add", "addMany", "patch", "patch", "move", "delete"];

async function write() {
  for (;;) await operations[WEIGHTED[below(WEIGHTED.length)]]();
}

async function compact() {
  for (;;) {
    await systemClock.sleep(20 + below(200));
    announce("compact");
    try {
      await brain.compact();
    } catch (error) {
      say(`error compact ${error.code} ${String(error.message).replaceAll("\n", " ")}`);
    }
  }
}

for (let i = 0; i < WRITERS; i++) void write();
void compact();
// Clocks and waiting promises do not keep a process alive.
setInterval(() => undefined, 60_000);
