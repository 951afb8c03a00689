/**
 * Protocol versions. Owns which this package speaks and how one is chosen; does not own what a
 * version means.
 *
 * Rule: the hub lists its versions in `hello`, whose shape no version may change. The client takes
 * the highest that both speak or gives up with VERSION. It does not name its choice: the signature
 * of `auth` covers the label "AgentMesh/2 hub-auth", so that no other version accepts that frame.
 */

/** The version of frames, envelopes and cryptography that this package speaks. */
export const PROTOCOL_VERSION = 2;

/** All versions a hub of this package puts in `hello`, and a client takes. */
export const SUPPORTED_VERSIONS: readonly number[] = [PROTOCOL_VERSION];

/** Highest version in common with `offered`; `null` when there is none. */
export function negotiateVersion(offered: readonly number[]): number | null {
  const common = offered.filter((version) => SUPPORTED_VERSIONS.includes(version));
  return common.length === 0 ? null : Math.max(...common);
}
