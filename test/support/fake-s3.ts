import { createServer, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import type { S3StoreOptions } from "../../src/storage/adapters/s3-options.ts";

/** One request as the fake sees it. */
export interface FakeRequest {
  readonly method: string;
  /** Below the bucket. */
  readonly key: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingHttpHeaders;
  readonly body: Uint8Array;
}

/** `undefined` answers nothing, ever. */
export interface FakeAnswer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  /** Ends the connection after the body, whatever length was promised. */
  readonly isCut?: boolean;
}

type Handler = (request: FakeRequest) => FakeAnswer | undefined | Promise<FakeAnswer | undefined>;

/** A server of one bucket that says what a test tells it to say. */
export interface FakeS3 extends AsyncDisposable {
  readonly options: S3StoreOptions;
  readonly requests: FakeRequest[];
  /** Most requests that were on their way at once. */
  readonly peak: () => number;
}

export async function fakeS3(handler: Handler): Promise<FakeS3> {
  const requests: FakeRequest[] = [];
  let [open, peak] = [0, 0];
  const server = createServer((incoming, outgoing) => {
    const chunks: Buffer[] = [];
    incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
    incoming.on("end", () => {
      peak = Math.max(peak, ++open);
      const url = new URL(incoming.url ?? "/", "http://fake");
      const request: FakeRequest = {
        method: incoming.method ?? "",
        key: decodeURIComponent(url.pathname.replace(/^\/bucket\/?/, "")),
        query: url.searchParams,
        headers: incoming.headers,
        body: new Uint8Array(Buffer.concat(chunks)),
      };
      requests.push(request);
      void Promise.resolve(handler(request)).then((answer) => {
        open--;
        if (answer === undefined) return;
        outgoing.sendDate = !("date" in (answer.headers ?? {}));
        for (const [name, value] of Object.entries(answer.headers ?? {})) {
          if (value !== "") outgoing.setHeader(name, value);
        }
        outgoing.writeHead(answer.status);
        if (answer.isCut === true) {
          outgoing.write(answer.body ?? "", () => incoming.socket.destroy());
        } else outgoing.end(answer.body ?? "");
      });
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    options: {
      bucket: "bucket",
      endpoint: `http://127.0.0.1:${port}`,
      accessKeyId: "id",
      secretAccessKey: "secret",
    },
    requests,
    peak: () => peak,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** The document with which S3 explains a status. */
export function errorDocument(code: string): string {
  return `<?xml version="1.0"?><Error><Code>${code}</Code><Message>said ${code}</Message></Error>`;
}
