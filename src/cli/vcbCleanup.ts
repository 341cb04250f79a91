#!/usr/bin/env node
import { vcbCleanup } from './historic.js';
import { runHistoric } from './runHistoric.js';

await runHistoric(vcbCleanup());
