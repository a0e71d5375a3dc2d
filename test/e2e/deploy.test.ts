import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { expect, onTestFinished, test } from "vitest";
import { Brainy } from "../../src/index.ts";
import { REPOSITORY_ROOT } from "../repository.ts";
import { newBucket, s3Server } from "../support/s3-server.ts";

/*
 * The program and the handler that the files in examples/deploy run: started, asked and stopped as
 * an orchestrator would.
 */

const server = await s3Server();

interface Instance extends AsyncDisposable {
  readonly url: string;
  /** SIGTERM; resolves with the exit code. */
  stop(): Promise<number | null>;
}

async function start(environment: Record<string, string>): Promise<Instance> {
  const child: ChildProcess = spawn(
    process.execPath,
    [join(REPOSITORY_ROOT, "examples/deploy/service.mjs")],
    {
      env: { PATH: process.env["PATH"], PORT: "0", ...environment },
      stdio: ["ignore", "pipe", "inherit"],
    },
  );
  const exited = once(child, "exit");
  const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
  const nextLine = async (): Promise<string> => {
    const { value, done } = await lines.next();
    if (done === true) throw new Error("the service ended");
    return value;
  };
  const port = /listening on port (\d+)/.exec(await nextLine())![1];
  const url = `http://localhost:${port}`;
  expect((await fetch(`${url}/live`)).status).toBe(200);
  expect(await nextLine()).toContain("is ready, a ");
  return {
    url,
    async stop() {
      child.kill("SIGTERM");
      const [code] = (await exited) as [number | null];
      return code;
    },
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await exited;
    },
  };
}

async function ask(url: string, body?: unknown): Promise<{ status: number; body: unknown }> {
  const options = body === undefined ? {} : { method: "POST", body: JSON.stringify(body) };
  const response = await fetch(url, options);
  return { status: response.status, body: await response.json() };
}

/** A writer and a reader over one store, from their start to their clean end. */
async function readWriteSplit(environment: Record<string, string>): Promise<void> {
  await using writer = await start({ ...environment, BRAINY_ROLE: "writer" });
  const records = [
    { id: "fox", text: "Foxes sleep in a den" },
    { id: "owl", text: "Owls hunt at night" },
  ];
  expect(await ask(`${writer.url}/records`, records)).toMatchObject({
    status: 201,
    body: { added: 2 },
  });
  await using reader = await start({
    ...environment,
    BRAINY_ROLE: "reader",
    BRAINY_INSTANCE_ID: "reader-1",
    SERVICE_ENDPOINT: "http://reader:3000",
  });
  const search = await ask(
    `${reader.url}/search?q=${encodeURIComponent("where do foxes sleep?")}&k=1`,
  );
  expect(search).toMatchObject({ status: 200, body: [{ id: "fox" }] });
  expect(await ask(`${reader.url}/records`, { text: "no" })).toMatchObject({
    status: 501,
    body: { code: "BRAINY_UNSUPPORTED" },
  });
  for (const path of ["/live", "/ready", "/health", "/metrics"]) {
    expect((await ask(reader.url + path)).status, path).toBe(200);
  }
  expect((await ask(`${reader.url}/health`)).body).toMatchObject({
    instanceId: "reader-1",
    role: "reader",
    status: "healthy",
  });
  expect((await ask(`${reader.url}/records/nobody`)).status).toBe(404);
  expect(await reader.stop()).toBe(0);
  const last = ask(`${writer.url}/records`, { id: "last", text: "A raven sits on the roof" });
  expect((await last).status).toBe(201);
  expect(await writer.stop()).toBe(0);
}

test("the service of the examples runs over a folder: it writes, answers and ends clean", async () => {
  const folder = mkdtempSync(join(tmpdir(), "brainy-deploy-"));
  try {
    await readWriteSplit({ DATABASE: folder });
    await using brain = new Brainy({ storage: folder, readOnly: true });
    expect((await brain.exportAll()).map(({ id }) => id).toSorted()).toEqual([
      "fox",
      "last",
      "owl",
    ]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

// The reason was printed by `s3Server`.
test.skipIf(server === undefined)("the service of the examples runs over a bucket", async () => {
  const cache = mkdtempSync(join(tmpdir(), "brainy-cache-"));
  onTestFinished(() => rmSync(cache, { recursive: true }));
  const { bucket, endpoint, accessKeyId, secretAccessKey } = await newBucket(server!);
  await readWriteSplit({
    DATABASE: `s3://${bucket}/products`,
    CACHE_DIR: cache,
    S3_ENDPOINT: endpoint!,
    AWS_ACCESS_KEY_ID: accessKeyId!,
    AWS_SECRET_ACCESS_KEY: secretAccessKey!,
  });
});

test("a source writes without an index, and the one that searches shows what all wrote", async () => {
  const folder = mkdtempSync(join(tmpdir(), "brainy-deploy-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const source = (name: string): Promise<Instance> =>
    start({
      DATABASE: folder,
      BRAINY_ROLE: "writer",
      BRAINY_MODE: "write-only",
      BRAINY_INSTANCE_ID: `${name}-writer`,
    });
  for (const name of ["medical", "legal"]) {
    await using writer = await source(name);
    const record = { id: name, text: `a ${name} text`, metadata: { source: name } };
    expect((await ask(`${writer.url}/records`, record)).status).toBe(201);
    expect((await ask(`${writer.url}/search?q=text`)).status).toBe(501);
    expect((await ask(`${writer.url}/health`)).status).toBe(200);
    expect(await writer.stop()).toBe(0);
  }
  await using search = await start({ DATABASE: folder, BRAINY_ROLE: "reader" });
  const { body } = await ask(`${search.url}/search?q=${encodeURIComponent("a legal text")}&k=2`);
  expect((body as { id: string }[]).map(({ id }) => id)).toEqual(["legal", "medical"]);
  expect(await search.stop()).toBe(0);
});

test("a service without a role says how to set one, and ends", async () => {
  const folder = mkdtempSync(join(tmpdir(), "brainy-deploy-"));
  await expect(start({ DATABASE: folder })).rejects.toThrow("the service ended");
  rmSync(folder, { recursive: true });
});

test("the handler of the examples answers searches, and calls that are wrong", async () => {
  const folder = mkdtempSync(join(tmpdir(), "brainy-lambda-"));
  const brain = new Brainy({ storage: folder });
  await brain.add("Foxes sleep in a den", {}, { id: "fox" });
  await brain.close();
  process.env["DATABASE"] = folder;
  const path = join(REPOSITORY_ROOT, "examples/deploy/lambda/handler.mjs");
  const { handler } = (await import(path)) as {
    handler(event: object): Promise<{ statusCode: number; body: string }>;
  };
  const found = await handler({ queryStringParameters: { q: "where do foxes sleep?", k: "1" } });
  expect(found.statusCode).toBe(200);
  expect(JSON.parse(found.body)).toMatchObject([{ id: "fox" }]);
  expect((await handler({})).statusCode).toBe(400);
  const wrong = await handler({ queryStringParameters: { q: "x", k: "none" } });
  expect(wrong.statusCode).toBe(400);
  expect(JSON.parse(wrong.body)).toMatchObject({ code: "BRAINY_INVALID_ARGUMENT" });
  rmSync(folder, { recursive: true });
});
