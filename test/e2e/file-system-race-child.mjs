/*
 * One of several processes that work on the same root. It says "ready", waits for "go", does what
 * its first argument names, and sends back what happened.
 */
import { FileSystemStore } from "../../dist/storage/index.js";

const [task, root, name, countText] = process.argv.slice(2);
const count = Number(countText);
const store = await FileSystemStore.open({ root });
const encode = (value) => new TextEncoder().encode(JSON.stringify(value));
const decode = (bytes) => JSON.parse(new TextDecoder().decode(bytes));

async function create() {
  const won = [];
  for (let i = 0; i < count; i++) {
    try {
      await store.put(`race/${i}`, encode(name), { condition: { ifAbsent: true } });
      won.push(i);
    } catch (error) {
      if (error.code !== "BRAINY_CONFLICT") throw error;
    }
  }
  return won;
}

/** Adds `count` to a counter; an unknown outcome is looked at, never guessed. */
async function increment() {
  let conflicts = 0;
  for (let i = 1; i <= count;) {
    const found = await store.get("counter.json");
    const value = decode(found.bytes);
    if (value.by[name] === i) {
      i++;
      continue;
    }
    const next = { total: value.total + 1, by: { ...value.by, [name]: i } };
    try {
      await store.put("counter.json", encode(next), { condition: { ifMatch: found.etag } });
      i++;
    } catch (error) {
      if (error.code === "BRAINY_CONFLICT") conflicts++;
      else if (!/outcome unknown/.test(error.message)) throw error;
    }
  }
  return conflicts;
}

/** Writes objects whose first four bytes say how many follow, all of one value, until killed. */
async function write() {
  for (let i = 0; ; i++) {
    const body = new Uint8Array(4 + ((i * 7919) % 300_000)).fill(i % 251);
    new DataView(body.buffer).setUint32(0, body.byteLength - 4);
    const chunks = async function* () {
      for (let at = 0; at < body.byteLength; at += 50_000) yield body.subarray(at, at + 50_000);
    };
    if (i % 3 === 0) await store.put(`kill/${i}`, body, { condition: { ifAbsent: true } });
    else if (i % 3 === 1) await store.putStream(`kill/${i}`, chunks());
    else await store.put("kill/same", body);
    const same = await store.get("kill/cas");
    const condition = same === undefined ? { ifAbsent: true } : { ifMatch: same.etag };
    await store.put("kill/cas", body, { condition });
    process.send({ written: i });
  }
}

/** One write that the operating system may refuse. */
async function attempt() {
  try {
    await store.put("denied/k", encode(1), { condition: { ifAbsent: true } });
    return { code: "none" };
  } catch (error) {
    return { code: error.code, cause: error.cause?.code };
  }
}

const tasks = { create, increment, write, attempt };
async function onMessage() {
  const result = await tasks[task]();
  process.send({ result }, () => process.disconnect());
}

process.once("message", () => void onMessage());
process.send({ ready: true });
