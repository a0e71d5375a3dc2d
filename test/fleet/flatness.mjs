/*
 * Whether a quantity that was sampled for long stays as it is. What is sampled goes up and down by
 * nature: memory between two collections, objects between two rounds of the collector. A leak shows
 * in what is left at the low points, so each stretch of time counts by its least value.
 */

/** Share of the time in which caches fill and code is compiled. */
const WARM_UP = 0.25;
/** Stretches of the time after that. */
const WINDOWS = 8;
/** Fewer samples than this say nothing. */
const SAMPLES_MIN = 8;

/**
 * @param {{ atMs: number, value: number }[]} samples In the order of their times.
 * @param {{ share: number, units: number }} tolerance What it may grow by and be called flat: a
 *   share of its median, and so many units, whichever is more.
 * @returns {{ isFlat: boolean, growth: number, peakGrowth: number, allowed: number, median: number,
 *   first: number, last: number, windows: number[] } | undefined} `undefined` for too few samples.
 */
export function judgeFlatness(samples, { share, units }) {
  const [first, last] = [samples[0], samples.at(-1)];
  if (first === undefined || samples.length < SAMPLES_MIN) return undefined;
  const spanMs = last.atMs - first.atMs;
  const startMs = first.atMs + WARM_UP * spanMs;
  const windows = lowPoints(
    samples.filter(({ atMs }) => atMs >= startMs),
    { startMs, endMs: last.atMs },
  );
  if (windows.length < 4) return undefined;
  const values = windows.map(({ value }) => value);
  const middle = median(values);
  const allowed = Math.max(share * Math.abs(middle), units);
  const endMs = windows.at(-1).atMs;
  // From the first low point to the last, by the slope that half of all pairs exceed.
  const growth = theilSen(windows) * (endMs - windows[0].atMs);
  const third = Math.ceil(values.length / 3);
  const peakGrowth = Math.max(...values.slice(-third)) - Math.max(...values.slice(0, third));
  return {
    // Both have to say so: a slope alone may be that of one step, a peak alone that of one moment.
    isFlat: growth <= allowed || peakGrowth <= allowed,
    growth,
    peakGrowth,
    allowed,
    median: middle,
    first: values[0],
    last: values.at(-1),
    windows: values,
  };
}

function lowPoints(samples, { startMs, endMs }) {
  const count = Math.min(WINDOWS, Math.floor(samples.length / 2));
  const low = [];
  for (const { atMs, value } of samples) {
    const share = (atMs - startMs) / (endMs - startMs);
    const window = Math.min(count - 1, Math.floor(share * count));
    if (low[window] === undefined || value < low[window].value) low[window] = { atMs, value };
  }
  return low.filter((one) => one !== undefined);
}

/** The median of the slopes of all pairs (Theil 1950, Sen 1968): single points do not move it. */
function theilSen(points) {
  const slopes = [];
  for (const [i, a] of points.entries()) {
    for (const b of points.slice(i + 1)) {
      if (b.atMs > a.atMs) slopes.push((b.value - a.value) / (b.atMs - a.atMs));
    }
  }
  return slopes.length === 0 ? 0 : median(slopes);
}

function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
