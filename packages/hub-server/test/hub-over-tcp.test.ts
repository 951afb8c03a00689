/**
 * The whole promise of a hub, over tcp and SQLite.
 */
import { hubCompliance } from '@agentmesh/hub-compliance';
import { startServedHub } from './served-hub.js';

hubCompliance('NetworkHubServer over tcp', (setup) => startServedHub('tcp', setup));
