/**
 * Protocol versions. Owns which this package speaks and how one is chosen; does not own what a
 * version means.
 *
 * Rule: the client lists its versions in `begin`, whose shape no version may change. The hub takes
 * the highest that both speak, names it in `hello` and proves both frames with its key; or it
 * answers VERSION. What is not a version of its own is a feature: both sides list theirs, an
 * unknown one is ignored, and a verb or field is used only where the other side has listed it.
 */

/** The version of frames, envelopes and cryptography that this package speaks. */
export const PROTOCOL_VERSION = 2;

/** All versions that a client of this package puts in `begin`, and a hub takes. */
export const SUPPORTED_VERSIONS: readonly number[] = [PROTOCOL_VERSION];

/** Highest version in common with `offered`; `null` when there is none. */
export function negotiateVersion(offered: readonly number[]): number | null {
  const common = offered.filter((version) => SUPPORTED_VERSIONS.includes(version));
  return common.length === 0 ? null : Math.max(...common);
}

/** Features that this package knows (protocol.md §2.15). */
export const FEATURES = {
  /** `auth_ok` says which store this is, and which course of its time. */
  timelines: 'timelines',
  /** An agent that keeps no keys says so, and holds its name only while it is connected. */
  transient: 'transient',
  /** Several envelopes go in one frame: `send_many`, `sent_many`, `deliver_many`. */
  many: 'many',
  /** `notice` says that a recipient has put an envelope off for a decision of a person. */
  putOff: 'put-off',
} as const;

/** All of them, as each side lists them. */
export const SUPPORTED_FEATURES: readonly string[] = Object.values(FEATURES);

/** Those of the other side's features that this side knows too. */
export function commonFeatures(offered: readonly string[]): readonly string[] {
  return SUPPORTED_FEATURES.filter((feature) => offered.includes(feature));
}
