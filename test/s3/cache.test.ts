import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { Brainy } from "../../src/index.ts";
import { newBucket, s3Server } from "../support/s3-server.ts";

const server = await s3Server();

interface HttpStart {
  readonly request: { readonly method: string; readonly path: string };
}

/** What Node sends while `run` runs, as `METHOD path`. */
async function requestsOf(run: () => Promise<unknown>): Promise<string[]> {
  const sent: string[] = [];
  const note = (message: unknown): void => {
    const { request } = message as HttpStart;
    sent.push(`${request.method} ${request.path}`);
  };
  subscribe("http.client.request.start", note);
  try {
    await run();
  } finally {
    unsubscribe("http.client.request.start", note);
  }
  return sent;
}

// The reason was printed by `s3Server`.
test.skipIf(server === undefined)(
  "[DC2] a reader that starts again asks a bucket for no byte of a segment",
  async () => {
    const storage = { type: "customS3", ...(await newBucket(server!)) } as const;
    const dir = mkdtempSync(join(tmpdir(), "brainy-near-s3-"));
    try {
      await using writer = new Brainy({ storage, dimensions: 2 });
      await writer.addMany(
        Array.from({ length: 1_000 }, (_, i) => ({ id: `r${i}`, vector: [1, i], text: `t${i}` })),
      );
      await writer.compact();
      const start = async (): Promise<void> => {
        await using reader = new Brainy({ storage, readOnly: true, cache: { dir } });
        expect((await reader.search([1, 999], 1))[0]).toMatchObject({ id: "r999", text: "t999" });
      };
      const ofSegments = (sent: readonly string[]): string[] =>
        sent.filter((request) => request.includes(".seg"));
      expect(ofSegments(await requestsOf(start)).length).toBeGreaterThan(0);
      const again = await requestsOf(start);
      expect(ofSegments(again)).toEqual([]);
      // Requests were seen: settings, the log, the manifest.
      expect(again.length).toBeGreaterThan(2);
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  },
);
