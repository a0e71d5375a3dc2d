/*
 * One instance of a fleet behind HTTP: what the files beside this one run. It is a writer, a reader
 * or a hybrid, as BRAINY_ROLE says.
 *
 *   DATABASE=s3://my-bucket/products BRAINY_ROLE=reader node service.mjs
 *
 *   POST /records          one record or an array: { id?, text?, vector?, metadata? }
 *   GET  /records/<id>     a record
 *   GET  /search?q=…&k=…   hits, best first
 *   GET  /live             200 while the process runs
 *   GET  /ready            200 while it takes requests: 503 before it has opened, and once it ends
 *   GET  /health           figures; 200 healthy, 503 degraded, 500 unhealthy
 *   GET  /metrics          more figures
 *
 * DATABASE       a folder, or s3://bucket/prefix
 * S3_ENDPOINT    where the bucket is, unless that is AWS
 * CACHE_DIR      a folder for what was read of a bucket, so that a restart reads it from there
 * PORT           default 3000
 *
 * SIGTERM: takes no more requests, finishes those it has, closes the database, ends with 0.
 */
import { createServer } from "node:http";
import { Brainy } from "brainy";

const { DATABASE = "./data", S3_ENDPOINT, CACHE_DIR, PORT = "3000" } = process.env;
const BODY_BYTES_MAX = 16 * 2 ** 20;

const cache = CACHE_DIR ? { cache: { dir: CACHE_DIR } } : {};
const brain = new Brainy({ storage: storage(), distributed: true, ...cache });
let isReady = false;
let isEnding = false;

const server = createServer((request, response) => {
  answer(request).then(
    ({ status = 200, body }) => send(response, status, body),
    (error) => {
      const status = STATUS[error.code] ?? 500;
      if (status === 500) console.error(error);
      send(response, status, { code: error.code, message: error.message });
    },
  );
});

/** What a client should make of an error. */
const STATUS = {
  BRAINY_INVALID_ARGUMENT: 400,
  BRAINY_DENIED: 403,
  BRAINY_NOT_FOUND: 404,
  BRAINY_CONFLICT: 409,
  BRAINY_LIMIT: 413,
  BRAINY_UNSUPPORTED: 501,
  BRAINY_UNAVAILABLE: 503,
  BRAINY_CLOSED: 503,
};

for (const signal of ["SIGTERM", "SIGINT"]) process.once(signal, () => void stop());
server.listen(Number(PORT), () => console.log(`listening on port ${server.address().port}`));
await open();

async function open() {
  try {
    await brain.init();
  } catch (error) {
    // Asked to end before it was open.
    if (isEnding) return;
    throw error;
  }
  isReady = !isEnding;
  const { role, instanceId } = brain.getHealthStatus();
  console.log(`${instanceId} is ready, a ${role} of ${DATABASE}`);
}

async function answer(request) {
  const { pathname, searchParams } = new URL(request.url ?? "/", "http://localhost");
  const route = `${request.method} ${pathname}`;
  if (route === "GET /live") return { body: { live: true } };
  if (route === "GET /ready") return { status: isReady ? 200 : 503, body: { ready: isReady } };
  if (!isReady) return { status: 503, body: { code: "BRAINY_CLOSED", message: "not ready" } };
  switch (route) {
    case "GET /health":
      return health();
    case "GET /metrics":
      return { body: brain.getMetrics() };
    case "GET /search": {
      const k = Number(searchParams.get("k") ?? 10);
      return { body: await brain.search(searchParams.get("q") ?? "", k) };
    }
    case "POST /records":
      return write(await readJson(request));
    default:
      return get(request.method, pathname);
  }
}

function health() {
  const body = brain.getHealthStatus();
  return { status: { healthy: 200, degraded: 503, unhealthy: 500 }[body.status], body };
}

async function write(body) {
  const { added, failed } = await brain.addMany(Array.isArray(body) ? body : [body]);
  const errors = failed.map(({ index, error }) => ({ index, message: error.message }));
  return { status: errors.length === 0 ? 201 : 400, body: { added, errors } };
}

async function get(method, pathname) {
  const id = /^\/records\/(.+)$/.exec(pathname)?.[1];
  const record = method === "GET" && id ? await brain.get(decodeURIComponent(id)) : undefined;
  if (record === undefined) return { status: 404, body: { message: "there is nothing here" } };
  return { body: { ...record, vector: undefined } };
}

async function readJson(request) {
  const chunks = [];
  let bytes = 0;
  for await (const chunk of request) {
    bytes += chunk.length;
    if (bytes > BODY_BYTES_MAX) throw refused("BRAINY_LIMIT", "the body is over 16 MiB");
    chunks.push(chunk);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString());
  } catch {
    throw refused("BRAINY_INVALID_ARGUMENT", "the body is no JSON");
  }
}

function refused(code, message) {
  return Object.assign(new Error(message), { code });
}

function send(response, status, body) {
  const text = JSON.stringify(body);
  response.writeHead(status, { "content-type": "application/json" });
  response.end(`${text}\n`);
}

async function stop() {
  isEnding = true;
  isReady = false;
  console.log("closing");
  const closed = new Promise((resolve) => {
    server.close(resolve);
  });
  server.closeIdleConnections();
  await closed;
  await brain.close();
  console.log("closed");
}

/** An endpoint of one's own makes a bucket one of another store. */
function storage() {
  const bucket = /^s3:\/\/([^/]+)\/?(.*)$/.exec(DATABASE);
  if (bucket === null || !S3_ENDPOINT) return DATABASE;
  return { type: "customS3", endpoint: S3_ENDPOINT, bucket: bucket[1], prefix: bucket[2] };
}
