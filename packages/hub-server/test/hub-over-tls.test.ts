/**
 * The whole promise of a hub, over tls and SQLite.
 */
import { hubCompliance } from '@agentmesh/hub-compliance';
import { startServedHub } from './served-hub.js';

hubCompliance('NetworkHubServer over tls', (setup) => startServedHub('tls', setup));
