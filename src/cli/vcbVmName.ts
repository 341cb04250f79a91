#!/usr/bin/env node
import { readSettings } from '../config/settings.js';
import { vcbVmName } from './historic.js';
import { runHistoric } from './runHistoric.js';

await runHistoric(vcbVmName(readSettings()));
