import { GetObjectCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { expect, onTestFinished, test } from "vitest";
import { Brainy } from "../../src/index.ts";
import type { BrainyEvent } from "../../src/types.ts";
import { newBucket, s3Server } from "../support/s3-server.ts";

/*
 * What an operator does with the file in the bucket, as `aws s3 cp` would.
 */

const server = await s3Server();

function next(brain: Brainy, type: string): Promise<BrainyEvent> {
  return new Promise((resolve) => {
    const stop = brain.on(type, (event) => {
      stop();
      resolve(event);
    });
  });
}

// The reason was printed by `s3Server`.
test.skipIf(server === undefined)(
  "[Y1] [Y2] a plain upload is adopted and made ours, or refused by field, on a real server",
  async () => {
    const bucket = await newBucket(server!);
    const storage = { type: "customS3", ...bucket } as const;
    await using writer = new Brainy({ storage, distributed: { role: "writer", instanceId: "w" } });
    await writer.add([1, 2], {}, { id: "a" });
    await using reader = new Brainy({ storage, distributed: { role: "reader", instanceId: "r" } });
    await reader.init();

    const { endpoint, accessKeyId, secretAccessKey, region = "us-east-1" } = bucket;
    const credentials = { accessKeyId: accessKeyId!, secretAccessKey: secretAccessKey! };
    const client = new S3Client({ endpoint: endpoint!, region, credentials, forcePathStyle: true });
    onTestFinished(() => client.destroy());
    const object = { Bucket: bucket.bucket, Key: "_brainy/config.json" };
    const download = async (): Promise<Record<string, unknown> & { settings: object }> => {
      const { Body } = await client.send(new GetObjectCommand(object));
      return JSON.parse(await Body!.transformToString());
    };
    const upload = (document: unknown): Promise<unknown> =>
      client.send(
        new PutObjectCommand({ ...object, Body: JSON.stringify(document, undefined, 2) }),
      );

    const before = await download();
    const changed = next(writer, "config_changed");
    await upload({ ...before, settings: { ...before.settings, pollInterval: 2_000 } });
    // As a hint would: it looks now rather than in ten seconds.
    await writer.getDistributedConfig();
    expect((await changed).payload).toMatchObject({
      source: "_brainy/config.json",
      changes: [{ name: "pollInterval", new: 2_000 }],
    });
    const ours = await download();
    expect(ours).toMatchObject({
      version: (before["version"] as number) + 1,
      checksum: expect.any(String),
      settings: { ...before.settings, pollInterval: 2_000 },
    });

    const refused = next(reader, "config_refused");
    await upload({ ...ours, settings: { ...ours.settings, dimensions: 3 } });
    await reader.getDistributedConfig();
    expect((await refused).payload).toMatchObject({ field: "settings.dimensions", was: 2, is: 3 });
    const late = new Brainy({ storage, distributed: { role: "reader" } });
    await expect(late.init()).rejects.toMatchObject({
      code: "BRAINY_CORRUPT",
      message: expect.stringMatching(/settings\.dimensions is 3.*put 2 back/),
    });
    await late.close();
    await writer.add([3, 4], {}, { id: "b" });
    expect(await reader.has("b", { consistency: "strong" })).toBe(true);
  },
);
