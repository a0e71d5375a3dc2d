import { expect, test } from "vitest";
import { emptyManifest } from "../format/manifest.ts";
import type { LaneId, Version } from "../format/version.ts";
import { View } from "./view.ts";

const LANE = "01HF8727F3YBQ9GM381BJ660Q0" as LaneId;
const at = (millis: string): Version => `${millis}-000000-${LANE}` as Version;

test("[R4] nothing at or below the floor is carried over, though its lane is listed from its beginning again", () => {
  const again = { incarnation: "", openVersion: at("018bd0711de3"), cursor: 2, headSeenMs: 0 };
  const lanes = [{ ...again, lane: LANE, lastVersion: at("018bd0711e02"), head: 2 }];
  const manifest = { ...emptyManifest("d"), number: 1, floor: at("018bd18a8c67"), lanes };
  const view = new View({ manifest, segments: [], dimensions: () => 3 });
  expect(view.covers(at("018bd0711e3d"))).toBe(true);
  expect(view.covers(at("018bd18a8c68"))).toBe(false);
});
