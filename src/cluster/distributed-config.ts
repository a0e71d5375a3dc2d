import type { ConfigDocument, ConfigSettings } from "../format/config.ts";
import type { InstanceView } from "./registry.ts";

/** The fleet as one document: shared settings, and who is there. */
export interface DistributedConfig {
  /** Of the settings; 0 until a first write has fixed them. */
  readonly version: number;
  /** ISO 8601: when the settings last changed. */
  readonly updated: string;
  /** Empty until a first write has fixed them. */
  readonly settings: Partial<ConfigSettings>;
  /** By instance id. */
  readonly instances: Readonly<Record<string, InstanceView>>;
}

/** Puts it together from what `config.json` and the heartbeats say. */
export function assembleConfig(
  config: ConfigDocument | undefined,
  instances: Readonly<Record<string, InstanceView>>,
): DistributedConfig {
  const { version = 0, updated = new Date(0).toISOString(), settings = {} } = config ?? {};
  return { version, updated, settings, instances };
}
