// The command as a process, with the server of this package, from the built modules.
import { main } from '@agentmesh/cli/command';

import { serveMcp } from '../dist/index.js';

await main('1.2.3', { serveMcp });
