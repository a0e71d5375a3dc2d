import { isBrainyError, type ErrorCode } from "../../src/base/errors.ts";
import { Draw, mixSeeds } from "./draw.ts";
import { AllocationMeter } from "./meter.ts";
import type { FuzzTarget } from "./target.ts";

/** What one decoder was given, and what it made of it. */
export interface TargetCounts {
  executions: number;
  /** Inputs that were right, or right enough. */
  accepted: number;
  rejected: number;
  /** How often for which reason, by its text without numbers. */
  readonly reasons: Map<string, number>;
  /** The most processor time and memory that one input took. */
  cpuMsPeak: number;
  allocatedBytesPeak: number;
}

/** Something that a decoder must not do. */
export interface Finding {
  readonly target: string;
  readonly number: number;
  readonly problem: string;
  /** Base64. */
  readonly input: string;
}

/** Sound inputs of each decoder, made once. */
const SAMPLES = 48;
const REFUSALS: readonly ErrorCode[] = ["BRAINY_CORRUPT", "BRAINY_UNSUPPORTED"];
/** Longest inputs; what grows beyond is cut. */
const INPUT_BYTES_MAX = 1 << 20;
const CPU_MS_MAX = 200;
const ALLOCATED_BYTES_MAX = 8 * 2 ** 20;
/** Beside the fixed part: for each byte of input. */
const CPU_MS_PER_BYTE = 0.002;
const ALLOCATED_BYTES_PER_BYTE = 64;

/**
 * Inputs by number: which decoder, which sample and which damage all follow from seed and number,
 * so that a finding is run again alone.
 */
export class Fuzzer {
  readonly counts: ReadonlyMap<string, TargetCounts>;
  readonly #targets: readonly FuzzTarget[];
  readonly #seed: number;
  readonly #samples = new Map<FuzzTarget, readonly Uint8Array[]>();
  readonly #meter = new AllocationMeter();
  readonly #prototypes = prototypeNames();

  constructor(targets: readonly FuzzTarget[], seed: number) {
    this.#targets = targets.flatMap((target) => Array<FuzzTarget>(target.weight ?? 1).fill(target));
    this.#seed = seed;
    this.counts = new Map(
      targets.map(({ name }) => [
        name,
        {
          executions: 0,
          accepted: 0,
          rejected: 0,
          reasons: new Map<string, number>(),
          cpuMsPeak: 0,
          allocatedBytesPeak: 0,
        },
      ]),
    );
  }

  /** Runs one input; resolves with what is wrong, if anything is. */
  async run(number: number): Promise<Finding | undefined> {
    const draw = new Draw(mixSeeds(this.#seed, number));
    const target = draw.pick(this.#targets);
    const samples = await this.#samplesOf(target);
    const input = await this.#inputOf(target, samples, draw);
    const readSeed = draw.below(2 ** 32);
    let problem = await this.#execute(target, input, readSeed);
    // A slow answer may be the machine's, or the collector's: it has to be slow again.
    for (let i = 0; i < 2 && problem?.startsWith("slow") === true; i++) {
      problem = await this.#execute(target, input, readSeed);
    }
    if (problem === undefined) return undefined;
    const text = Buffer.from(input).toString("base64");
    return { target: target.name, number, problem, input: text };
  }

  async #samplesOf(target: FuzzTarget): Promise<readonly Uint8Array[]> {
    const known = this.#samples.get(target);
    if (known !== undefined) return known;
    const made: Uint8Array[] = [];
    const own = this.#targets.indexOf(target);
    for (let i = 0; i < SAMPLES; i++) {
      made.push(await target.sample(new Draw(mixSeeds(mixSeeds(this.#seed, own), -1 - i))));
    }
    this.#samples.set(target, made);
    return made;
  }

  async #inputOf(
    target: FuzzTarget,
    samples: readonly Uint8Array[],
    draw: Draw,
  ): Promise<Uint8Array> {
    const sample = new Uint8Array(draw.pick(samples));
    if (draw.chance(0.02)) return sample;
    const input = await target.mutate(sample, draw, draw.pick(samples));
    return new Uint8Array(input.subarray(0, INPUT_BYTES_MAX));
  }

  async #execute(
    target: FuzzTarget,
    input: Uint8Array,
    readSeed: number,
  ): Promise<string | undefined> {
    const counts = this.counts.get(target.name)!;
    const { cpuMsMax = CPU_MS_MAX, allocatedBytesMax = ALLOCATED_BYTES_MAX } = target;
    const length = input.byteLength;
    counts.executions++;
    this.#meter.start(allocatedBytesMax + ALLOCATED_BYTES_PER_BYTE * length);
    const before = process.cpuUsage();
    let error: unknown;
    let isNothing = false;
    try {
      isNothing = (await target.read(input, new Draw(readSeed))) === false;
    } catch (caught) {
      error = caught;
    }
    const { user, system } = process.cpuUsage(before);
    this.#meter.stop();
    const cpuMs = (user + system) / 1_000;
    counts.cpuMsPeak = Math.max(counts.cpuMsPeak, cpuMs);
    counts.allocatedBytesPeak = Math.max(counts.allocatedBytesPeak, this.#meter.bytes);
    if (this.#meter.tooLarge !== undefined) return `large: ${this.#meter.tooLarge.stack}`;
    const polluted = prototypeNames().find((name) => !this.#prototypes.includes(name));
    if (polluted !== undefined) return `pollution: ${String(polluted)} is everybody's`;
    const refusals = target.refusals ?? REFUSALS;
    if (error === undefined && !isNothing) counts.accepted++;
    else {
      if (error !== undefined && !(isBrainyError(error) && refusals.includes(error.code))) {
        return error instanceof Error
          ? (error.stack ?? error.message)
          : "what was thrown is no error";
      }
      counts.rejected++;
      const reason = error === undefined ? "nothing" : reasonOf((error as Error).message);
      counts.reasons.set(reason, (counts.reasons.get(reason) ?? 0) + 1);
    }
    return cpuMs > cpuMsMax + CPU_MS_PER_BYTE * length
      ? `slow: ${cpuMs.toFixed(0)} ms of processor for ${length} bytes`
      : undefined;
  }
}

function prototypeNames(): (string | symbol)[] {
  return [Object.prototype, Array.prototype, Function.prototype].flatMap((one) =>
    Reflect.ownKeys(one),
  );
}

/** What is the same for all inputs that are refused at one place. */
function reasonOf(message: string): string {
  return message
    .replace(/, it is .*$/s, "")
    .replace(/(not JSON): .*$/s, "$1")
    .replaceAll(/"(?:[^"\\]|\\.)*"|"[^"]*$/gs, '"…"')
    .replaceAll(/[0-9a-f]{12}-[0-9a-f]{6}-\w{26}/g, "…")
    .replaceAll(/\b[0-9A-HJKMNP-TV-Z]{26}\b/g, "…")
    .replaceAll(/0x[0-9a-f]+|\d+/g, "n")
    .slice(0, 120);
}
