#!/usr/bin/env node
import { readSettings } from '../config/settings.js';
import { vcbCleanup } from './historic.js';
import { runHistoric } from './runHistoric.js';

await runHistoric(vcbCleanup(readSettings()));
