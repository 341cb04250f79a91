#!/usr/bin/env node
import { vcbResAll } from './historic.js';
import { runHistoric } from './runHistoric.js';

await runHistoric(vcbResAll());
