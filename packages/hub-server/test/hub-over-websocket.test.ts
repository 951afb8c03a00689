/**
 * The whole promise of a hub, over websocket and SQLite.
 */
import { hubCompliance } from '@agentmesh/hub-compliance';
import { startServedHub } from './served-hub.js';

hubCompliance('NetworkHubServer over websocket', (setup) => startServedHub('websocket', setup));
