#!/usr/bin/env node
import { vcbSnapAll } from './historic.js';
import { runHistoric } from './runHistoric.js';

await runHistoric(vcbSnapAll());
