import { BrainyError } from "../base/errors.ts";
import { KERNEL_SHARED, KERNEL_UNSHARED } from "./kernel-wasm.ts";

/** What kernel/assembly/index.ts exports. Addresses and counts are unsigned 32-bit numbers. */
export interface KernelExports {
  /** Scans the rows `[start, end)` into the entries of the task. */
  scan(task: number, start: number, end: number): void;
  /** Distances of the `count` rows listed at `rows`, written to `distances`. */
  gather(task: number, rows: number, count: number, distances: number): void;
  /** Sorts a heap in place, best first. */
  sortEntries(entries: number, size: number): void;
  /** Writes inverse norms of `[start, end)`; returns the greatest norm: ∞ if any is not finite. */
  finishRows(
    vectors: number,
    inverseNorms: number,
    strideBytes: number,
    start: number,
    end: number,
  ): number;
  /** Rotates `count` vectors and encodes them as the rows from `start` on. */
  encodeRows(codes: number, vectors: number, start: number, count: number, isUnit: number): void;
  /** Rotates `count` vectors in place. */
  rotateRows(codes: number, vectors: number, count: number): void;
  /** Makes the vector of a search its query. */
  quantiseQuery(codes: number, search: number): void;
  /** Adds every `step`-th row of `[start, end)`, each chosen among the `width` nearest found. */
  addRows(
    graph: number,
    walk: number,
    start: number,
    end: number,
    step: number,
    width: number,
  ): void;
  /** The best `width` entries of a walk for its query, in order; returns how many. */
  searchGraph(graph: number, walk: number, width: number): number;
  /** The nearest cluster of each of `count` rotated vectors, and how far it is. */
  assignClusters(
    clusters: number,
    vectors: number,
    count: number,
    nearest: number,
    distances: number,
  ): void;
  /** Writes the bits of a block; its rotated vectors become residuals. */
  encodeBlock(
    clusters: number,
    cluster: number,
    block: number,
    vectors: number,
    count: number,
  ): void;
  /** Makes the table of a query. */
  prepareSweep(clusters: number, sweep: number): void;
  /** The nearest `width` clusters of a query; returns how many. */
  probeClusters(clusters: number, sweep: number, width: number): number;
  /** Adds what the probes of `[start, end)` hold to the `size` entries there are. */
  sweepClusters(
    clusters: number,
    sweep: number,
    start: number,
    end: number,
    size: number,
    width: number,
    k: number,
    epsilon: number,
    mask: number,
  ): number;
  /** 1 when none of `length` floats is NaN or infinite. */
  allFinite(pointer: number, length: number): number;
}

/** The part of `WebAssembly.Memory` that is used; its types come with no library we include. */
export interface KernelMemory {
  /** Another buffer after each growth; the old one of a plain memory is detached. */
  readonly buffer: ArrayBufferLike;
  grow(pages: number): number;
}

/** One memory, and the kernel working on it. */
export interface Kernel {
  readonly memory: KernelMemory;
  readonly exports: KernelExports;
}

/** How large a memory is, and may become, in pages of 64 KiB. */
export interface KernelOptions {
  readonly pages: number;
  readonly pagesMax: number;
  /** Over a shared memory, which other threads may map. */
  readonly shared: boolean;
}

/** WebAssembly memory comes in pages. */
export const PAGE_BYTES = 65_536;
/** One page short of 4 GiB, so that no address of an end wraps to zero. */
export const PAGES_MAX = 65_535;

interface MemoryDescriptor {
  readonly initial: number;
  readonly maximum: number;
  readonly shared: boolean;
}

interface WebAssemblyNamespace {
  readonly Memory: new (descriptor: MemoryDescriptor) => KernelMemory;
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object, imports: object) => { readonly exports: unknown };
}

const wasm = (globalThis as unknown as { readonly WebAssembly: WebAssemblyNamespace }).WebAssembly;

const modules: { shared?: object; unshared?: object } = {};

/** Compiled once, on first use: an import of the package costs nothing. About a millisecond. */
function kernelModule(shared: boolean): object {
  if (shared) return (modules.shared ??= new wasm.Module(decodeBase64(KERNEL_SHARED)));
  return (modules.unshared ??= new wasm.Module(decodeBase64(KERNEL_UNSHARED)));
}

function decodeBase64(text: string): Uint8Array {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}

/**
 * A fresh zeroed memory with a kernel on it. Pages are address space until they are touched.
 * Throws `BRAINY_LIMIT` where the system has none left.
 */
export function createKernel({ pages, pagesMax, shared }: KernelOptions): Kernel {
  try {
    const memory = new wasm.Memory({ initial: pages, maximum: pagesMax, shared });
    const instance = new wasm.Instance(kernelModule(shared), { env: { memory } });
    return { memory, exports: instance.exports as KernelExports };
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new BrainyError("BRAINY_LIMIT", `no memory for ${pages} pages of vectors`, {
      cause: error,
    });
  }
}
