/*
 * A bucket for measurements: on the server in BRAINY_TEST_S3_ENDPOINT (with _ACCESS_KEY_ID and
 * _SECRET_ACCESS_KEY), or on one that is started for this process and ends with it.
 */
import { execFileSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { CreateBucketCommand, S3Client } from "@aws-sdk/client-s3";

const SCRIPT = fileURLToPath(new URL("../../scripts/s3-server.sh", import.meta.url));

/** `{ endpoint, accessKeyId, secretAccessKey }`. */
export function s3Server() {
  const { BRAINY_TEST_S3_ENDPOINT: endpoint } = process.env;
  if (endpoint) {
    const accessKeyId = process.env.BRAINY_TEST_S3_ACCESS_KEY_ID;
    return { endpoint, accessKeyId, secretAccessKey: process.env.BRAINY_TEST_S3_SECRET_ACCESS_KEY };
  }
  const dir = join(mkdtempSync(join(tmpdir(), "brainy-bench-s3-")), "server");
  const args = ["start", "--dir", dir, "--owner", String(process.pid)];
  const output = execFileSync(SCRIPT, args, {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
  });
  const { endpoint: started, accessKeyId, secretAccessKey } = JSON.parse(output);
  return { endpoint: started, accessKeyId, secretAccessKey };
}

/** Options of storage for a bucket that did not exist before. */
export async function newBucket(server) {
  const bucket = `brainy-bench-${randomUUID().slice(0, 13)}`;
  const client = s3Client(server);
  await client.send(new CreateBucketCommand({ Bucket: bucket }));
  client.destroy();
  return { type: "customS3", bucket, ...server };
}

export function s3Client({ endpoint, accessKeyId, secretAccessKey }) {
  const credentials = { accessKeyId, secretAccessKey };
  return new S3Client({ endpoint, region: "us-east-1", forcePathStyle: true, credentials });
}

const KINDS = ["put", "list", "get", "head", "delete"];

/** Requests by kind that an instance has sent so far. */
export function requestsOf(brain) {
  const { requests } = brain.getMetrics();
  return Object.fromEntries(KINDS.map((kind) => [kind, requests?.[kind].requests ?? 0]));
}

export function difference(after, before) {
  return Object.fromEntries(KINDS.map((kind) => [kind, after[kind] - (before?.[kind] ?? 0)]));
}

export function sum(all) {
  return Object.fromEntries(
    KINDS.map((kind) => [kind, all.reduce((total, one) => total + one[kind], 0)]),
  );
}

/** Public prices of S3 Standard, USD a million. */
const USD_PER_MILLION = { put: 5, list: 5, get: 0.4, head: 0.4, delete: 0 };

export function usd(requests) {
  return KINDS.reduce((total, kind) => total + (requests[kind] * USD_PER_MILLION[kind]) / 1e6, 0);
}
