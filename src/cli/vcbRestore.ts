#!/usr/bin/env node
import { vcbRestore } from './historic.js';
import { runHistoric } from './runHistoric.js';

await runHistoric(vcbRestore());
