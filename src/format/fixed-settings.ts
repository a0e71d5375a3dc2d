import { readFixed, type ConfigSettings } from "./config.ts";
import { DATABASE_FORMAT_MAX } from "./format-version.ts";
import { decodeSealedJson, encodeSealedJson } from "./sealed-json.ts";

/**
 * `_brainy/fixed-settings.json`: what data depends on, written with the settings, again once the
 * dimensions are fixed, and never changed. Read only when `config.json` was edited by hand or does not decode.
 */
export function encodeFixedSettings(settings: ConfigSettings): Uint8Array {
  return encodeSealedJson({
    formatVersion: settings.formatVersion,
    databaseId: settings.databaseId,
    partitionStrategy: settings.partitionStrategy,
    partitionCount: settings.partitionCount,
    partitioner: settings.partitioner,
    embeddingModel: settings.embeddingModel,
    dimensions: settings.dimensions,
    distanceMetric: settings.distanceMetric,
    conflictResolution: settings.conflictResolution,
  });
}

/** Checks every field. */
export function decodeFixedSettings(bytes: Uint8Array, where: string): ConfigSettings {
  return readFixed(decodeSealedJson(bytes, where, DATABASE_FORMAT_MAX), where);
}
