import { BrainyError, isBrainyError } from "../../base/errors.ts";
import type { S3Connection, S3Sdk } from "./s3-connection.ts";

/** Keys of one request that deletes many. */
const DELETE_KEYS_MAX = 1000;

/** Deletes on their way at once, where each key is a request. */
const DELETES_AT_ONCE = 16;

/** Whole keys of one bucket, the prefix of the store included. */
export interface S3Deletion {
  readonly sdk: S3Sdk;
  readonly connection: S3Connection;
  readonly bucket: string;
  readonly keys: readonly string[];
  /** For messages. */
  readonly what: string;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Deletes keys, a thousand in one request; what is not there is no error. Where a user may delete
 * some keys of a bucket and not others, some stores refuse such a request as a whole: then, and for
 * one key, each is a request of its own.
 */
export async function deleteS3Keys(deletion: S3Deletion): Promise<void> {
  const { keys } = deletion;
  for (let start = 0; start < keys.length; start += DELETE_KEYS_MAX) {
    const batch = keys.slice(start, start + DELETE_KEYS_MAX);
    if (batch.length === 1) await deleteEach(deletion, batch);
    else await deleteBatch(deletion, batch);
  }
}

async function deleteBatch(deletion: S3Deletion, keys: readonly string[]): Promise<void> {
  const { sdk, connection, bucket, what, signal } = deletion;
  try {
    await connection.call({ kind: "delete", what, signal }, async ({ client, options }) => {
      const Objects = keys.map((Key) => ({ Key }));
      const input = { Bucket: bucket, Delete: { Objects, Quiet: true } };
      const output = await client.send(new sdk.DeleteObjectsCommand(input), options);
      assertAllDeleted(what, output.Errors ?? []);
    });
  } catch (error) {
    if (!isRefusedWhole(error)) throw error;
    await deleteEach(deletion, keys);
  }
}

async function deleteEach(deletion: S3Deletion, keys: readonly string[]): Promise<void> {
  const { sdk, connection, bucket, what, signal } = deletion;
  for (let start = 0; start < keys.length; start += DELETES_AT_ONCE) {
    const deletes = keys.slice(start, start + DELETES_AT_ONCE).map((Key) =>
      connection.call({ kind: "delete", what, signal }, async ({ client, options }) => {
        await client.send(new sdk.DeleteObjectCommand({ Bucket: bucket, Key }), options);
      }),
    );
    await Promise.all(deletes);
  }
}

/** Answers about single keys come in an answer that is none of a refusal. */
function isRefusedWhole(error: unknown): boolean {
  if (!isBrainyError(error, "BRAINY_DENIED")) return false;
  return (error.cause as { readonly status?: number } | undefined)?.status === 403;
}

function assertAllDeleted(what: string, errors: readonly S3DeleteError[]): void {
  const failed = errors.filter(({ Code }) => Code !== "NoSuchKey");
  if (failed.length === 0) return;
  const shown = failed.slice(0, 3).map(({ Key, Code }) => `${Key}: ${Code}`);
  const isDenied = failed.every(({ Code }) => Code === "AccessDenied");
  throw new BrainyError(
    isDenied ? "BRAINY_DENIED" : "BRAINY_UNAVAILABLE",
    `${what}: ${failed.length} keys were not deleted (${shown.join(", ")})`,
  );
}

interface S3DeleteError {
  readonly Key?: string | undefined;
  readonly Code?: string | undefined;
}
