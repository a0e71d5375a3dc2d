/*
 * Recall against queries a second, as SVG: one line a peer, a logarithmic scale for speed. Colours
 * and dashes both tell the lines apart.
 */

const [WIDTH, HEIGHT] = [760, 440];
const [LEFT, RIGHT, TOP, BOTTOM] = [64, 190, 36, 48];
const COLOURS = ["#c2410c", "#1d4ed8", "#047857", "#7e22ce", "#a16207", "#0f766e", "#be123c"];
const DASHES = ["", "6 3", "2 3", "8 3 2 3", "4 4", "1 2", "10 4"];

/** `curves`: [{ name, points: [{ recall, qps }] }]. Recalls below `recallMin` are left out. */
export function curvePlot({ title, curves, recallMin = 0.8 }) {
  const shown = curves.map(({ name, points }) => ({
    name,
    points: points.filter(({ recall }) => recall >= recallMin),
  }));
  const rates = shown.flatMap(({ points }) => points.map(({ qps }) => qps));
  const low = Math.floor(Math.log10(Math.min(...rates)));
  const high = Math.ceil(Math.log10(Math.max(...rates)));
  const x = (recall) => LEFT + ((recall - recallMin) / (1 - recallMin)) * (WIDTH - LEFT - RIGHT);
  const y = (qps) =>
    TOP + ((high - Math.log10(qps)) / Math.max(1, high - low)) * (HEIGHT - TOP - BOTTOM);
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="12">`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="white"/>`,
    `<text x="${LEFT}" y="20" font-size="14">${escaped(title)}</text>`,
  ];
  for (let power = low; power <= high; power++) {
    const at = y(10 ** power).toFixed(1);
    parts.push(
      `<line x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${at}" y2="${at}" stroke="#ddd"/>`,
      `<text x="${LEFT - 6}" y="${at}" text-anchor="end" dominant-baseline="middle">${(10 ** power).toLocaleString("en")}</text>`,
    );
  }
  for (let step = 0; step <= 4; step++) {
    const recall = recallMin + ((1 - recallMin) * step) / 4;
    const at = x(recall).toFixed(1);
    parts.push(
      `<line x1="${at}" x2="${at}" y1="${TOP}" y2="${HEIGHT - BOTTOM}" stroke="#eee"/>`,
      `<text x="${at}" y="${HEIGHT - BOTTOM + 16}" text-anchor="middle">${recall.toFixed(2)}</text>`,
    );
  }
  parts.push(
    `<text x="${(LEFT + WIDTH - RIGHT) / 2}" y="${HEIGHT - 10}" text-anchor="middle">recall@10</text>`,
    `<text x="${LEFT}" y="${TOP - 4}" text-anchor="middle">queries/s</text>`,
  );
  shown.forEach(({ name, points }, i) => {
    const colour = COLOURS[i % COLOURS.length];
    const path = points.map(({ recall, qps }) => `${x(recall).toFixed(1)},${y(qps).toFixed(1)}`);
    const legend = TOP + 12 + 18 * i;
    const dash = DASHES[i % DASHES.length];
    parts.push(
      `<polyline points="${path.join(" ")}" fill="none" stroke="${colour}" stroke-width="2" stroke-dasharray="${dash}"/>`,
      ...path.map((at) => {
        const [cx, cy] = at.split(",");
        return `<circle cx="${cx}" cy="${cy}" r="2.5" fill="${colour}"/>`;
      }),
      `<line x1="${WIDTH - RIGHT + 12}" x2="${WIDTH - RIGHT + 40}" y1="${legend}" y2="${legend}" stroke="${colour}" stroke-width="2" stroke-dasharray="${dash}"/>`,
      `<text x="${WIDTH - RIGHT + 46}" y="${legend}" dominant-baseline="middle">${escaped(name)}</text>`,
    );
  });
  return `${[...parts, "</svg>"].join("\n")}\n`;
}

function escaped(text) {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}
