#!/usr/bin/env node
/**
 * The `agentmesh` command: a thin door. Owns that a Node that is too old is refused in one line;
 * what the command does is `@agentmesh/cli`'s, which loads what encrypts only where it is needed.
 */
import { version } from './version.js';

async function main(): Promise<void> {
  await import('@agentmesh/crypto/runtime');
  const [only] = process.argv.slice(2);
  if (only === '--version' || only === '-V') {
    process.stdout.write(`${version}\n`);
    return;
  }
  const command = await import('@agentmesh/cli/command');
  await command.main(version, {
    serveMcp: async (options) => (await import('@agentmesh/mcp')).serveMcp(options),
    skillFile: new URL('../skill/SKILL.md', import.meta.url),
  });
}

main().catch((error: unknown) => {
  const { message } = error as { readonly message?: unknown };
  process.stderr.write(`agentmesh: ${String(message)}\n`);
  process.exitCode = 1;
});
