/*
 * One instance of the fleet: opens the database as a user would, writes and reads until it is told
 * to stop, and notes everything in its journal. What it is told comes as messages of its parent:
 *
 *   stop      ends the mix; answered when nothing is on its way any more
 *   audit     reads the whole database, notes it, and answers with a digest
 *   progress  answers with what it has done so far, in numbers
 *   create    adds a record if it is absent; answered with whether it did
 *   sample    answers with what it takes of its machine
 *   compact, verify, close
 */
import { AsyncLocalStorage } from "node:async_hooks";
import { createHash } from "node:crypto";
import { pathToFileURL } from "node:url";
import { join } from "node:path";
import { seededRandom } from "../../dist/base/random.js";
import { monotonicMs, openJournal, sightingOf } from "./journal.mjs";
import { IDS, Mix, idOf } from "./mix.mjs";
import { takeSample } from "./sample.mjs";

const settings = JSON.parse(process.argv[2]);
const say = openJournal(settings.journal);

// Nobody is left to kill this process.
process.on("disconnect", () => process.exit(1));

const load = (path) => import(pathToFileURL(join(settings.dist, path)).href);
const { Brainy } = await load("index.js");
const { LogWriter } = await load("engine/log-writer.js");

/*
 * What `add` and `delete` resolve with has no version, and the order of operations is that of their
 * versions. So the append to the log, which all of them end in, is listened to.
 */
const calls = new AsyncLocalStorage();
const { append } = LogWriter.prototype;
if (typeof append !== "function") throw new Error("LogWriter.append is not there any more");
LogWriter.prototype.append = async function (drafts) {
  const rows = await append.call(this, drafts);
  const { columns, start, end } = rows;
  const versions = calls.getStore();
  for (let row = start; row < end; row++) versions?.push([columns.id(row), columns.version(row)]);
  return rows;
};

const brain = new Brainy({
  storage: settings.storage,
  dimensions: 16,
  distributed: {
    role: settings.role,
    instanceId: settings.instanceId,
    heartbeatInterval: 1_000,
    instanceTimeout: 2_000,
    ...(settings.isHinted && {
      coordinationMethod: "websocket",
      coordinator: { listen: { port: settings.relayPort } },
    }),
  },
  ...(settings.isIndexless && { writeOnly: true }),
  ...(settings.isCached && {
    cache: { dir: settings.cacheFolder, prefetchStrategy: "moderate" },
  }),
  ...(settings.indexing && { indexing: settings.indexing }),
  logging: { logger: { info: () => {}, warn: (message) => say({ k: "warn", message }) } },
});
let commits = 0;
let manifestsCollected = 0;
brain.on("*", ({ type, payload }) => {
  if (type === "index_updated") return;
  const { number, epoch, kind, lane, report, reason, instanceId, partition, from } = payload;
  const event = { number, epoch, kind, lane, report, reason, instanceId, partition, from };
  say({ k: "event", t: monotonicMs(), type, ...event });
  if (type === "committed") commits++;
  if (type === "collected") manifestsCollected += report.manifests;
});

const mix = new Mix({
  brain,
  say,
  run: settings.run,
  random: seededRandom(settings.seed),
  versionsOf: async (write) => {
    const versions = [];
    try {
      return { versions, result: await calls.run(versions, write) };
    } catch (error) {
      return { versions, error };
    }
  },
  settings,
});

const ALL_IDS = Array.from({ length: IDS }, (_, i) => idOf(i));

async function audit({ level }) {
  const t0 = monotonicMs();
  const records = settings.isIndexless
    ? (await brain.getMany(ALL_IDS, { consistency: level })).filter((one) => one !== undefined)
    : await brain.exportAll({ consistency: level });
  const t1 = monotonicMs();
  records.sort((a, b) => (a.id < b.id ? -1 : 1));
  const hash = createHash("sha256");
  for (const { id, version, metadata, data, vector } of records) {
    hash.update(JSON.stringify([id, version, metadata, data, [...vector]]));
  }
  say({ k: "read", what: "audit", level, t0, t1, isWhole: true, seen: records.map(sightingOf) });
  return { digest: hash.digest("hex"), records: records.length };
}

const orders = {
  stop: () => mix.stop(),
  audit,
  progress: () => ({ ...mix.progress, commits, manifestsCollected }),
  create: async ({ id }) => ({ isDone: await mix.create(id) }),
  sample: () => takeSample(settings.isCached ? settings.cacheFolder : undefined),
  compact: () => brain.compact(),
  verify: () => brain.verify(),
  close: async () => {
    await mix.stop();
    await brain.close();
  },
};

async function onMessage({ order, number, ...options }) {
  try {
    const result = await orders[order](options);
    process.send({ answer: number, result: result ?? true });
  } catch (error) {
    process.send({ answer: number, error: `${error.code ?? ""} ${error.message}` });
  }
  if (order === "close") process.exit(0);
}

process.on("message", (message) => void onMessage(message));

await brain.init().catch((error) => say({ k: "warn", message: `init: ${error.message}` }));
say({ k: "event", t: monotonicMs(), type: "opened" });
process.send({ ready: true });
mix.start();
