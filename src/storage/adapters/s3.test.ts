import { Agent } from "node:http";
import { inspect } from "node:util";
import { expect, test } from "vitest";
import { errorDocument, fakeS3, type FakeAnswer } from "../../../test/support/fake-s3.ts";
import { systemClock, type Clock } from "../../base/clock.ts";
import { isBrainyError, type ErrorCode } from "../../base/errors.ts";
import { seededRandom } from "../../base/random.ts";
import { streamOf } from "../conformance/case.ts";
import { retrying } from "../layers/retrying.ts";
import type { Etag, ObjectStore } from "../object-store.ts";
import { probeStore } from "../probe.ts";
import { loadS3Sdk } from "./s3-connection.ts";
import { s3Error } from "./s3-errors.ts";
import { openS3 } from "./s3-open.ts";
import type { S3StoreOptions } from "./s3-options.ts";
import { readS3Object } from "./s3-read.ts";
import { S3Store } from "./s3.ts";

const body = new Uint8Array([1, 2, 3]);
const ABSENT = { condition: { ifAbsent: true } } as const;
const stored: FakeAnswer = { status: 200, headers: { etag: '"e1"' } };
/** Its waits between attempts are short; deadlines are not reached here. */
const quick: Clock = {
  ...systemClock,
  sleep: (ms, signal) => systemClock.sleep(ms < 1_000 ? ms / 50 : ms, signal),
};

async function failureOf(call: Promise<unknown>): Promise<unknown> {
  return call.then(
    () => "resolved",
    (error: unknown) => error,
  );
}

test("[X1] a conditional put is sent once, whatever it is answered", async () => {
  for (const status of [409, 412, 429, 500, 503]) {
    await using fake = await fakeS3(() => ({ status }));
    await using store = await S3Store.open(fake.options);
    const retried = retrying(store, { clock: quick, random: seededRandom(1) });
    expect(await failureOf(retried.put("k", body, ABSENT))).toBeInstanceOf(Error);
    expect(fake.requests.length, String(status)).toBe(1);
    expect(fake.requests[0]?.headers["if-none-match"]).toBe("*");
  }
});

test("[X1] a connection that ends without an answer is not taken up again", async () => {
  await using fake = await fakeS3(() => ({
    status: 200,
    headers: { "content-length": "9" },
    isCut: true,
  }));
  await using store = await S3Store.open(fake.options);
  const error = await failureOf(store.put("k", body, ABSENT));
  expect(isBrainyError(error, "BRAINY_UNAVAILABLE"), String(error)).toBe(true);
  expect(fake.requests.length).toBe(1);
});

/** Status, code, and what they mean without and with a condition. */
const ANSWERS: readonly (readonly [number, string, ErrorCode, ErrorCode])[] = [
  [412, "PreconditionFailed", "BRAINY_UNAVAILABLE", "BRAINY_CONFLICT"],
  [409, "ConditionalRequestConflict", "BRAINY_UNAVAILABLE", "BRAINY_CONFLICT"],
  [404, "NoSuchKey", "BRAINY_NOT_FOUND", "BRAINY_CONFLICT"],
  [404, "NoSuchBucket", "BRAINY_NOT_FOUND", "BRAINY_NOT_FOUND"],
  [403, "AccessDenied", "BRAINY_DENIED", "BRAINY_DENIED"],
  [403, "SignatureDoesNotMatch", "BRAINY_DENIED", "BRAINY_DENIED"],
  [400, "ExpiredToken", "BRAINY_DENIED", "BRAINY_DENIED"],
  [403, "RequestTimeTooSkewed", "BRAINY_UNAVAILABLE", "BRAINY_UNAVAILABLE"],
  [403, "QuotaExceeded", "BRAINY_LIMIT", "BRAINY_LIMIT"],
  [400, "EntityTooLarge", "BRAINY_LIMIT", "BRAINY_LIMIT"],
  [400, "RequestTimeout", "BRAINY_UNAVAILABLE", "BRAINY_UNAVAILABLE"],
  [400, "InvalidRequest", "BRAINY_INVALID_ARGUMENT", "BRAINY_INVALID_ARGUMENT"],
  [301, "PermanentRedirect", "BRAINY_INVALID_ARGUMENT", "BRAINY_INVALID_ARGUMENT"],
  [429, "TooManyRequests", "BRAINY_UNAVAILABLE", "BRAINY_UNAVAILABLE"],
  [500, "InternalError", "BRAINY_UNAVAILABLE", "BRAINY_UNAVAILABLE"],
  [503, "SlowDown", "BRAINY_UNAVAILABLE", "BRAINY_UNAVAILABLE"],
  [501, "NotImplemented", "BRAINY_UNSUPPORTED", "BRAINY_UNSUPPORTED"],
];

test("[X1] [X9] what is safe to repeat is repeated maxRetries times, and each time counted", async () => {
  for (const [change, attempts] of [
    [{}, 4],
    [{ maxRetries: 1 }, 2],
    [{ s3: { retryStrategy: "none" as const } }, 1],
  ] as const) {
    await using fake = await fakeS3(() => ({ status: 503 }));
    const { store, counters } = await openS3({ ...fake.options, ...change, clock: quick });
    expect(await failureOf(store.get("k"))).toMatchObject({ code: "BRAINY_UNAVAILABLE" });
    expect(await failureOf(store.put("k", body, ABSENT))).toMatchObject({
      code: "BRAINY_UNAVAILABLE",
    });
    expect(fake.requests.length).toBe(attempts + 1);
    expect(counters.get).toMatchObject({ requests: attempts, errors: attempts });
    expect(counters.put).toMatchObject({ requests: 1, errors: 1 });
    await store[Symbol.asyncDispose]();
  }
});

test("[X2] every answer is an error to act on, and a conflict only where a condition was", async () => {
  let answer: FakeAnswer = stored;
  await using fake = await fakeS3(() => answer);
  await using store = await S3Store.open(fake.options);
  for (const [status, code, plain, conditional] of ANSWERS) {
    answer = { status, body: errorDocument(code) };
    expect(await failureOf(store.put("k", body)), code).toMatchObject({ code: plain });
    expect(await failureOf(store.put("k", body, ABSENT)), code).toMatchObject({
      code: conditional,
    });
  }
});

test("[X2] a condition that fails a second attempt may have met the first", () => {
  const error = { name: "PreconditionFailed", $metadata: { httpStatusCode: 412, attempts: 2 } };
  const request = { what: "put k", isConditional: true };
  expect(s3Error(error, request).code).toBe("BRAINY_UNAVAILABLE");
});

test("[X2] an answer of which only the status came says nothing for certain", () => {
  for (const httpStatusCode of [403, 404, 412]) {
    const cut = { code: "ECONNRESET", message: "aborted", $metadata: { httpStatusCode } };
    expect(s3Error(cut, { what: "get k" }).code).toBe("BRAINY_UNAVAILABLE");
    expect(s3Error(cut, { what: "put k", isConditional: true }).code).toBe("BRAINY_UNAVAILABLE");
  }
});

test("[X2] no connection is no answer, and a skewed clock is named", async () => {
  const nobody = {
    bucket: "b",
    endpoint: "http://127.0.0.1:1",
    accessKeyId: "a",
    secretAccessKey: "b",
  };
  await using store = await S3Store.open(nobody);
  const error = await failureOf(store.get("k"));
  expect(error).toMatchObject({ code: "BRAINY_UNAVAILABLE" });
  expect(String(error)).toMatch(/ECONNREFUSED/);
  await using fake = await fakeS3(() => ({
    status: 403,
    body: errorDocument("RequestTimeTooSkewed"),
  }));
  await using skewed = await S3Store.open(fake.options);
  expect(String(await failureOf(skewed.get("k")))).toMatch(/clock of this machine/);
});

test("[X2] a HEAD that is refused without a reason is denied, unless the clock may be the reason", async () => {
  const dayMs = 86_400_000;
  for (const [daysStore, daysSent, code] of [
    [0, 0, "BRAINY_DENIED"],
    [1, 0, "BRAINY_UNAVAILABLE"],
    // The machine slept between signing and sending, and its clock is right again.
    [0, -1, "BRAINY_UNAVAILABLE"],
  ] as const) {
    const date = new Date(systemClock.nowMs() + daysStore * dayMs).toUTCString();
    const clock = { ...systemClock, nowMs: () => systemClock.nowMs() + daysSent * dayMs };
    await using fake = await fakeS3(() => ({ status: 403, headers: { date } }));
    await using store = await S3Store.open({ ...fake.options, clock });
    expect(await failureOf(store.head("k"))).toMatchObject({ code });
  }
});

test("an error tells where to look and keeps signatures to itself", async () => {
  await using fake = await fakeS3(() => ({
    status: 500,
    headers: { "x-amz-request-id": "tx-77" },
    body: errorDocument("InternalError"),
  }));
  await using store = await S3Store.open({ ...fake.options, prefix: "db" });
  const error = await failureOf(store.put("k", body));
  expect(String(error)).toBe("BrainyError: put s3://bucket/db/k: 500 InternalError");
  const shown = inspect(error, { depth: 20, showHidden: true });
  expect(shown).toContain("tx-77");
  expect(shown).not.toMatch(/AWS4-HMAC|Signature=/);
});

test("[X3] the store's time is the date of its answer, and an answer without one is none", async () => {
  let date = "Wed, 01 Jan 2020 00:00:05 GMT";
  await using fake = await fakeS3(() => ({ status: 200, headers: { etag: '"e"', date } }));
  await using store = await S3Store.open(fake.options);
  const expected = Date.UTC(2020, 0, 1, 0, 0, 5);
  expect((await store.put("k", body)).storeMs).toBe(expected);
  expect((await store.head("k"))?.storeMs).toBe(expected);
  expect((await store.get("k"))?.storeMs).toBe(expected);
  date = "";
  const error = await failureOf(store.put("k", body));
  expect(error).toMatchObject({ code: "BRAINY_UNAVAILABLE" });
  expect(String(error)).toMatch(/no date/);
});

/** A store of one version, `v1`, that knows its etag in some forms only. */
function versioned(forms: readonly string[]): (request: { headers: object }) => FakeAnswer {
  return ({ headers }) => {
    const { "if-match": match } = headers as { readonly "if-match"?: string };
    if (match === undefined || forms.includes(match)) {
      return { status: 200, headers: { etag: '"v1"' } };
    }
    return { status: 412, body: errorDocument("PreconditionFailed") };
  };
}

test("[X4] etags are given back in the form that the store knows, which is learnt once", async () => {
  for (const [forms, sent] of [
    [['"v1"', "v1"], '"v1"'],
    [["v1"], "v1"],
  ] as const) {
    await using fake = await fakeS3(versioned(forms));
    await using store = await S3Store.open(fake.options);
    const change = () => store.put("k", body, { condition: { ifMatch: "v1" as Etag } });
    await Promise.all([change(), change(), change()]);
    await change();
    const changes = fake.requests.filter(({ key }) => key === "k");
    expect(changes.map(({ headers }) => headers["if-match"])).toEqual([sent, sent, sent, sent]);
    const scratch = fake.requests.filter(({ method, key }) => method === "PUT" && key !== "k");
    expect(scratch.length).toBe(sent === "v1" ? 3 : 2);
  }
});

test("[X4] a store that knows no form of its etags is refused, a silent one is asked again", async () => {
  await using fake = await fakeS3(versioned([]));
  await using store = await S3Store.open(fake.options);
  const change = () => store.put("k", body, { condition: { ifMatch: "v1" as Etag } });
  expect(await failureOf(change())).toMatchObject({ code: "BRAINY_UNSUPPORTED" });
  expect(fake.requests.some(({ key }) => key === "k")).toBe(false);

  let isDown = true;
  await using later = await fakeS3((request) =>
    isDown ? { status: 503 } : versioned(["v1"])(request),
  );
  await using second = await S3Store.open(later.options);
  const again = () => second.put("k", body, { condition: { ifMatch: "v1" as Etag } });
  expect(await failureOf(again())).toMatchObject({ code: "BRAINY_UNAVAILABLE" });
  isDown = false;
  await again();
});

test("[X7] a request ends at its deadline, and at once when the caller gives up", async () => {
  const deadlines: (() => void)[] = [];
  const waits: number[] = [];
  const clock: Clock = {
    ...systemClock,
    sleep: (ms) => new Promise((resolve) => waits.push(ms) && deadlines.push(resolve)),
  };
  await using fake = await fakeS3(() => undefined);
  await using store = await S3Store.open({ ...fake.options, clock, requestTimeoutMs: 7_000 });
  const late = failureOf(store.put("k", new Uint8Array(64_000), ABSENT));
  await expect.poll(() => fake.requests.length).toBe(1);
  deadlines[0]?.();
  expect(await late).toMatchObject({ code: "BRAINY_UNAVAILABLE" });
  expect(String(await late)).toMatch(/no answer in time/);
  // A second at least for each 64 kB of the body.
  expect(waits[0]).toBe(8_000);

  const mine = new Error("mine");
  const controller = new AbortController();
  const given = failureOf(store.get("k", { signal: controller.signal }));
  await expect.poll(() => fake.requests.length).toBe(2);
  controller.abort(mine);
  expect(await given).toBe(mine);
});

test("[X7] no more requests are on their way than the options allow", async () => {
  const held: (() => void)[] = [];
  let isHolding = true;
  await using fake = await fakeS3(async () => {
    if (isHolding) await new Promise<void>((resolve) => held.push(resolve));
    return stored;
  });
  const s3 = { readConcurrency: 1, writeConcurrency: 3 };
  await using store = await S3Store.open({ ...fake.options, s3 });
  const puts = Array.from({ length: 20 }, (_, i) => store.put(`k${i}`, body));
  for (let left = 20; left > 0; left -= 3) {
    await expect.poll(() => held.length, { interval: 2 }).toBe(Math.min(3, left));
    for (const answer of held.splice(0)) answer();
  }
  await Promise.all(puts);
  expect(fake.peak()).toBe(3);
  isHolding = false;
  const controller = new AbortController();
  const calls = Array.from({ length: 9 }, (_, i) =>
    failureOf(store.head(`k${i}`, i === 8 ? { signal: controller.signal } : {})),
  );
  controller.abort(new Error("gave up while waiting"));
  expect(String(await calls[8])).toMatch(/gave up/);
  await Promise.all(calls);
  expect(await store.head("k0")).toBeDefined();
});

test("a body that ends early is no answer, and a store without ranges is cut here", async () => {
  let answer: FakeAnswer = {
    status: 200,
    headers: { etag: '"e"', "content-length": "10" },
    body: "12345",
    isCut: true,
  };
  await using fake = await fakeS3(() => answer);
  await using store = await S3Store.open(fake.options);
  expect(await failureOf(store.get("k"))).toMatchObject({ code: "BRAINY_UNAVAILABLE" });
  const short = { Body: streamOf(body), ContentLength: 10 };
  const read = readS3Object("get k", short, { expectBytes: () => undefined });
  expect(await failureOf(read)).toMatchObject({ code: "BRAINY_UNAVAILABLE" });
  answer = { status: 200, headers: { etag: '"e"' }, body: "12345" };
  const found = await store.get("k", { range: [1, 3] });
  expect(found?.bytes).toEqual(new TextEncoder().encode("23"));
  expect(found?.bytesTotal).toBe(5);
});

test("[X6] an end of an upload that was answered late is known by the object it made", async () => {
  for (const [size, outcome] of [
    ["5242881", "done"],
    ["7", "BRAINY_UNAVAILABLE"],
    [undefined, "BRAINY_UNAVAILABLE"],
  ] as const) {
    let ends = 0;
    await using fake = await fakeS3(({ method, query }) => {
      const document =
        "<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>";
      if (query.has("uploads")) return { status: 200, body: document };
      if (method === "POST" && ++ends === 1) return { status: 503 };
      if (method === "POST") return { status: 404, body: errorDocument("NoSuchUpload") };
      if (method !== "HEAD") return stored;
      if (size === undefined) return { status: 404 };
      return { status: 200, headers: { etag: '"e-2"', "content-length": size } };
    });
    const s3 = { multipartThreshold: 5 << 20 };
    await using store = await S3Store.open({ ...fake.options, s3, clock: quick });
    const whole = streamOf(new Uint8Array(5 << 20), Uint8Array.of(1));
    const put = await store.putStream("k", whole).then(
      ({ etag }) => (etag === "e-2" ? "done" : etag),
      (error: unknown) => (error as { readonly code: string }).code,
    );
    expect(put).toBe(outcome);
    const aborts = fake.requests.filter(({ method }) => method === "DELETE");
    expect(aborts.length).toBe(outcome === "done" ? 0 : 1);
  }
});

test("a delete that names keys it could not delete is none", async () => {
  const failed = (code: string): string =>
    `<DeleteResult><Error><Key>b</Key><Code>${code}</Code></Error></DeleteResult>`;
  let document = failed("AccessDenied");
  await using fake = await fakeS3(() => ({ status: 200, body: document }));
  await using store = await S3Store.open(fake.options);
  expect(await failureOf(store.deleteMany(["a", "b"]))).toMatchObject({ code: "BRAINY_DENIED" });
  document = failed("InternalError");
  const error = await failureOf(store.deleteMany(["a", "b"]));
  expect(error).toMatchObject({ code: "BRAINY_UNAVAILABLE" });
  expect(String(error)).toMatch(/1 keys were not deleted \(b: InternalError\)/);
  document = failed("NoSuchKey");
  await store.deleteMany(["a", "b"]);
});

test("keys of others are not listed, and half a listing is no listing", async () => {
  const item = (key: string): string =>
    `<Contents><Key>${key}</Key><Size>1</Size><ETag>"e"</ETag></Contents>`;
  let isTruncated = false;
  await using fake = await fakeS3(() => ({
    status: 200,
    body: `<ListBucketResult><IsTruncated>${isTruncated}</IsTruncated>
      ${item("db/ok")}${item("db/not ours")}${item("db/")}</ListBucketResult>`,
  }));
  await using store = await S3Store.open({ ...fake.options, prefix: "db" });
  const keys: string[] = [];
  for await (const page of store.list()) keys.push(...page.objects.map(({ key }) => key));
  expect(keys).toEqual(["ok"]);
  expect(fake.requests[0]?.query.get("prefix")).toBe("db/");
  isTruncated = true;
  const all = async (): Promise<void> => {
    for await (const page of store.list()) expect(page.objects.length).toBe(1);
  };
  expect(await failureOf(all())).toMatchObject({ code: "BRAINY_UNAVAILABLE" });
});

test("options become headers, an agent of the caller is used, checksums are not forced", async () => {
  await using fake = await fakeS3(() => stored);
  const agent = new Agent({ keepAlive: false });
  const s3 = { useServerSideEncryption: true, cacheHeaders: true };
  await using store = await S3Store.open({ ...fake.options, s3, httpOptions: { agent } });
  await store.put("k", body);
  await store.putStream("s", streamOf(body));
  const [put, stream] = fake.requests.map(({ headers }) => headers);
  expect(put?.["x-amz-server-side-encryption"]).toBe("AES256");
  expect(put?.["cache-control"]).toBeUndefined();
  expect(stream?.["cache-control"]).toMatch(/immutable/);
  expect(put?.connection).toBe("close");
  expect(Object.keys(put ?? {}).filter((name) => name.includes("checksum"))).toEqual([]);
  expect(fake.requests[0]?.body).toEqual(body);
});

test("a read-only store refuses every write before it is sent", async () => {
  await using fake = await fakeS3(() => stored);
  await using store = await S3Store.open({ ...fake.options, readOnly: true });
  const calls = [
    store.put("k", body),
    store.putStream("k", streamOf(body)),
    store.deleteMany(["k"]),
  ];
  for (const call of calls) {
    expect(await failureOf(call)).toMatchObject({ code: "BRAINY_DENIED" });
  }
  expect(fake.requests).toEqual([]);
});

test("without the SDK the error names the command that installs it", async () => {
  const missing = () => Promise.reject(new Error("ERR_MODULE_NOT_FOUND"));
  const error = await failureOf(loadS3Sdk(missing));
  expect(error).toMatchObject({ code: "BRAINY_UNSUPPORTED" });
  expect(String(error)).toMatch(/npm install @aws-sdk\/client-s3/);
});

test("options that cannot be meant are refused", async () => {
  const good: S3StoreOptions = { bucket: "b", endpoint: "http://x", region: "r" };
  const bad: readonly (readonly [object, RegExp])[] = [
    [{ bucket: "" }, /no name of a bucket/],
    [{ bucket: "a/b" }, /no name of a bucket/],
    [{ endpiont: "http://x" }, /did you mean "endpoint"/],
    [{ s3: { readConcurency: 1 } }, /did you mean "readConcurrency"/],
    [{ endpoint: "x:9000" }, /neither http/],
    [{ accessKeyId: "a" }, /need each other/],
    [{ sessionToken: "a" }, /needs accessKeyId/],
    [{ prefix: "/db" }, /empty part/],
    [{ prefix: "a b" }, /is not of/],
    [{ maxRetries: -1 }, /maxRetries/],
    [{ s3: { multipartThreshold: 1 } }, /multipartThreshold/],
    [{ s3: { retryStrategy: "linear" } }, /retryStrategy/],
  ];
  for (const [change, says] of bad) {
    const error = await failureOf(S3Store.open({ ...good, ...change }));
    expect(error, inspect(change)).toMatchObject({ code: "BRAINY_INVALID_ARGUMENT" });
    expect(String(error)).toMatch(says);
  }
});

test("[X8] stores that answer 501 to conditions are refused by the probe", async () => {
  await using fake = await fakeS3(({ headers }) =>
    "if-none-match" in headers
      ? { status: 501, body: errorDocument("NotImplemented") }
      : { status: 200, headers: { etag: '"e"' } },
  );
  const store: ObjectStore = await S3Store.open(fake.options);
  const error = await failureOf(probeStore(store, { clock: quick, random: seededRandom(1) }));
  expect(error).toMatchObject({ code: "BRAINY_UNSUPPORTED" });
  expect(String(error)).toMatch(/501 NotImplemented/);
});
