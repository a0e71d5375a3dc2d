/*
 * What a fleet lives in: a real S3 server whose gateway can be killed, and the time. The wall clocks
 * of the gateway and of every process are the machine's plus what a file of theirs says, so that
 * one can be wrong, and so that hours can pass for all at once while monotonic clocks stand still,
 * as for machines that were suspended.
 */
import { execFile } from "node:child_process";
import { writeFileSync, renameSync } from "node:fs";
import { join } from "node:path";
import { createServer } from "node:net";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { CreateBucketCommand, S3Client } from "@aws-sdk/client-s3";
import { monotonicMs } from "./journal.mjs";

const SCRIPT = fileURLToPath(new URL("../../scripts/s3-server.sh", import.meta.url));
const run = promisify(execFile);

/** Unpacking the packages takes 20 s the first time, on a slow network longer. */
const FETCH_MS_MAX = 300_000;

/** How long a clock goes on as it was after its file was written. */
export const CLOCK_LAG_MS = 1_000;

const BUCKET = "fleet";

export class World {
  #folder;
  #library;
  #server;
  #offsetMs = 0;
  /** Name of a clock to its own error. */
  #errorsMs = new Map();
  #epochMs = Date.now() - monotonicMs();
  #jumps = [];
  /** Of the relay of hints, which one of the processes hosts. */
  relayPort = 0;

  /** The error of the script says why there is no server. */
  static async start(folder) {
    const world = new World();
    world.#folder = folder;
    world.#library = (await run(SCRIPT, ["clock"], { timeout: FETCH_MS_MAX })).stdout.trim();
    world.#writeClock("gateway");
    world.relayPort = await freePort();
    await world.startGateway();
    const { endpoint, accessKeyId, secretAccessKey } = world.#server;
    const credentials = { accessKeyId, secretAccessKey };
    const client = new S3Client({
      endpoint,
      region: "us-east-1",
      forcePathStyle: true,
      credentials,
    });
    await client.send(new CreateBucketCommand({ Bucket: BUCKET }));
    client.destroy();
    return world;
  }

  get endpoint() {
    return this.#server.endpoint;
  }

  get gatewayPid() {
    return this.#server.gatewayPid;
  }

  /** Options of a database in the bucket, through a proxy or directly. */
  storage(endpoint = this.endpoint) {
    const { accessKeyId, secretAccessKey } = this.#server;
    return {
      type: "customS3",
      bucket: BUCKET,
      prefix: "db",
      endpoint,
      accessKeyId,
      secretAccessKey,
      connectTimeoutMs: 2_000,
      requestTimeoutMs: 6_000,
    };
  }

  /** Variables of a process whose clock is called `name`. */
  environment(name) {
    this.#writeClock(name);
    return {
      ...process.env,
      LD_PRELOAD: this.#library,
      FAKETIME_TIMESTAMP_FILE: this.#clockFile(name),
      FAKETIME_CACHE_DURATION: "1",
      DONT_FAKE_MONOTONIC: "1",
    };
  }

  /** Sets how wrong one clock is. */
  setError(name, errorMs) {
    this.#errorsMs.set(name, errorMs);
    this.#writeClock(name);
  }

  errorOf(name) {
    return this.#errorsMs.get(name) ?? 0;
  }

  /** So much time passes for everybody, within `CLOCK_LAG_MS`. */
  jump(byMs) {
    this.#offsetMs += byMs;
    this.#jumps.push({ atMs: monotonicMs(), offsetMs: this.#offsetMs });
    for (const name of ["gateway", ...this.#errorsMs.keys()]) this.#writeClock(name);
  }

  /** The time of the fleet at a moment of the monotonic clock. */
  wallMsAt(ms) {
    const last = this.#jumps.findLast(({ atMs }) => atMs <= ms);
    return this.#epochMs + ms + (last?.offsetMs ?? 0);
  }

  /** Nobody is told; requests that are on their way are done, half done or not. */
  killGateway() {
    try {
      process.kill(this.#server.gatewayPid, "SIGKILL");
    } catch {
      // It was not up again yet.
    }
  }

  /** Starts what does not run. The server ends with this process, whatever ends that. */
  async startGateway() {
    const args = ["start", "--dir", join(this.#folder, "s3"), "--store", "file"];
    args.push("--owner", String(process.pid), "--clock", this.#clockFile("gateway"));
    const { stdout } = await run(SCRIPT, args, { timeout: FETCH_MS_MAX });
    this.#server = JSON.parse(stdout);
  }

  async stop() {
    await run(SCRIPT, ["stop", "--dir", join(this.#folder, "s3")]).catch(() => undefined);
  }

  #clockFile(name) {
    return join(this.#folder, `clock-${name}`);
  }

  /** Replaced as a whole, since it may be read at any moment. */
  #writeClock(name) {
    if (name !== "gateway" && !this.#errorsMs.has(name)) this.#errorsMs.set(name, 0);
    const seconds = (this.#offsetMs + this.errorOf(name)) / 1_000;
    const file = this.#clockFile(name);
    writeFileSync(`${file}.new`, `${seconds < 0 ? "" : "+"}${seconds.toFixed(3)}\n`);
    renameSync(`${file}.new`, file);
  }
}

async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}
