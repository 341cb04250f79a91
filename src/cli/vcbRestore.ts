#!/usr/bin/env node
import { readSettings } from '../config/settings.js';
import { vcbRestore } from './historic.js';
import { runHistoric } from './runHistoric.js';

await runHistoric(vcbRestore(readSettings()));
