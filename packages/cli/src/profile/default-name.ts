/**
 * What an agent is called that nobody has named.
 * Owns that rule.
 */
import { userInfo } from 'node:os';

/** The profile, or the user where it is the one that nobody has named. */
export function defaultName(profile: string | null): string {
  if (profile !== null && profile !== 'default') return profile;
  const user = userInfo()
    .username.toLowerCase()
    .replaceAll(/[^a-z0-9._-]/g, '-');
  return /^[a-z0-9]/.test(user) ? user.slice(0, 64) : 'agent';
}
