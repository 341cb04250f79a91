#!/usr/bin/env node
import { readSettings } from '../config/settings.js';
import { vcbResAll } from './historic.js';
import { runHistoric } from './runHistoric.js';

await runHistoric(vcbResAll(readSettings()));
