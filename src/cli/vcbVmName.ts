#!/usr/bin/env node
import { vcbVmName } from './historic.js';
import { runHistoric } from './runHistoric.js';

await runHistoric(vcbVmName());
