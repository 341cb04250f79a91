#!/usr/bin/env node
import { readSettings } from '../config/settings.js';
import { vcbUtil } from './historic.js';
import { runHistoric } from './runHistoric.js';

await runHistoric(vcbUtil(readSettings()));
