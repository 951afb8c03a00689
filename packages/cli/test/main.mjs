// The command as a process, from the built modules of this package.
import { main } from '../dist/command.js';

await main('1.2.3');
