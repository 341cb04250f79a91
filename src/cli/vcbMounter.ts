#!/usr/bin/env node
import { vcbMounter } from './historic.js';
import { runHistoric } from './runHistoric.js';

await runHistoric(vcbMounter());
